//! Headless Chromium, driven over `WebDriver` (W3C) by its chromedriver.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for a page. A busy machine draws slowly.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Maximum height of a picture in CSS pixels. Chromium draws nothing of a taller one.
const SCREENSHOT_HEIGHT_MAX: u32 = 16_384;

/// Remedy for a missing browser.
const INSTALL: &str = "pages are tested in Chromium: on Debian or Ubuntu, run apt-get install chromium \
                       chromium-driver, as cargo xtask test does";

/// Flags that stop Chromium's own network requests, and those that a test machine needs.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
];

/// A browser with one page, as wide as a desktop window or a phone.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    session: String,
}

impl Browser {
    /// Starts a browser that shows pages on a screen of `width` by `height` CSS pixels. A narrow screen is a phone. It
    /// accepts any certificate.
    ///
    /// # Panics
    ///
    /// If Chromium or its driver is missing.
    #[must_use]
    pub fn start(width: u32, height: u32) -> Self {
        Self::start_with(width, height, &json!({}))
    }

    /// Like [`Self::start`], and keeps the console and the requests of the page. They include each frame of a
    /// WebSocket, so a page that receives many of them becomes slow.
    #[must_use]
    pub fn start_with_logs(width: u32, height: u32) -> Self {
        Self::start_with(width, height, &json!({ "browser": "ALL", "performance": "ALL" }))
    }

    fn start_with(width: u32, height: u32, logs: &Value) -> Self {
        let driver = Driver::start();
        // A window is at least about 500 pixels wide. An emulated screen has no such limit.
        let options = json!({
            "args": FLAGS,
            "mobileEmulation": {
                "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1, "mobile": width < 500 },
            },
        });
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": logs,
        });
        let session = driver.request("POST", "/session", &json!({ "capabilities": { "alwaysMatch": capabilities } }));
        let session = session.unwrap_or_else(|why| panic!("Chromium does not start: {why}\n{INSTALL}"));
        let session = session["sessionId"].as_str().expect("a session has an id").to_owned();
        Self { driver, session }
    }

    fn request_get(&self, path: &str) -> Value {
        let answer = self.driver.request("GET", &format!("/session/{}{path}", self.session), &Value::Null);
        answer.unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    fn request(&self, path: &str, body: &Value) -> Value {
        let answer = self.driver.request("POST", &format!("/session/{}{path}", self.session), body);
        answer.unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    /// Opens a file with a dark or light colour scheme, and begins new logs.
    ///
    /// # Panics
    ///
    /// If the page cannot be opened, or the browser keeps no logs.
    pub fn open(&self, page: &Path, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let _ = self.devtools("Emulation.setEmulatedMedia", &features);
        // Reading a log empties it, so the entries of the previous page are dropped here.
        self.log("browser");
        self.log("performance");
        self.open_url(&format!("file://{}", page.display()));
    }

    /// Opens a page of a web server.
    ///
    /// # Panics
    ///
    /// If the page cannot be opened.
    pub fn open_url(&self, url: &str) {
        self.request("/url", &json!({ "url": url }));
    }

    /// Opens a second window and goes there. Returns the first window and its URL.
    ///
    /// # Panics
    ///
    /// If the browser opens none.
    #[must_use]
    pub fn open_window(&self) -> (String, String) {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let first = text(&self.request_get("/window"));
        let url = text(&self.request_get("/url"));
        let window = self.request("/window/new", &json!({ "type": "window" }));
        self.switch_to(&text(&window["handle"]));
        (first, url)
    }

    /// Goes to another window.
    ///
    /// # Panics
    ///
    /// If there is no such window.
    pub fn switch_to(&self, window: &str) {
        self.request("/window", &json!({ "handle": window }));
    }

    /// Runs a script and returns its value. The script finds the arguments in its variable `arguments`.
    ///
    /// # Panics
    ///
    /// If the script fails.
    #[must_use]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.request("/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Runs a script that awaits promises, and returns its value.
    ///
    /// # Panics
    ///
    /// If the script fails.
    #[must_use]
    pub fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(
                 (value) => done({{ value }}),
                 (error) => done({{ error: `${{error}} ${{error?.stack}}` }}),
             );"
        );
        let mut result = self.request("/execute/async", &json!({ "script": script, "args": arguments }));
        assert!(result["error"].is_null(), "the script failed: {}", result["error"]);
        result["value"].take()
    }

    /// Runs a command of the `DevTools` protocol and returns its result.
    ///
    /// # Panics
    ///
    /// If the command fails.
    #[must_use]
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.request("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// The whole page, or the beginning of a very long one, as a PNG in base64.
    ///
    /// # Panics
    ///
    /// If the page cannot be drawn.
    #[must_use]
    pub fn screenshot(&self) -> String {
        let size = self.run(
            "return [innerWidth, Math.min(document.documentElement.scrollHeight, arguments[0])]",
            &[Value::from(SCREENSHOT_HEIGHT_MAX)],
        );
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let taken = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "clip": clip }));
        taken["data"].as_str().expect("a PNG in base64").to_owned()
    }

    /// The printed page as a PDF, in base64.
    ///
    /// # Panics
    ///
    /// If the page cannot be printed.
    #[must_use]
    pub fn print(&self) -> String {
        let printed = self.devtools("Page.printToPDF", &json!({ "printBackground": false }));
        printed["data"].as_str().expect("a PDF in base64").to_owned()
    }

    /// All console messages since the page was opened, if the browser keeps logs.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        self.log("browser").iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The URLs requested since the page was opened, including the page itself, if the browser keeps logs.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let event = |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str()?).ok();
        let events = self.log("performance");
        let events = events.iter().filter_map(event).map(|mut event| event["message"].take());
        let sent = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.request("/se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This ends Chromium. Dropping the driver ends the driver.
        let _ = self.driver.request("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

/// A chromedriver process on its own port.
#[derive(Debug)]
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        // The driver has its own process group, so that `drop` can kill it together with its children.
        command.arg("--port=0").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("chromedriver: {error}\n{INSTALL}"));
        let stdout = BufReader::new(child.stdout.take().expect("a piped stream"));
        let (sender, lines) = mpsc::channel();
        // The thread reads to the end, so that the driver never blocks on a full pipe.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut driver = Self { child, port: 0 };
        while driver.port == 0 {
            let line: String = lines.recv_timeout(TIMEOUT).expect("chromedriver prints its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                driver.port = port.trim_end_matches('.').parse().expect("a port");
            }
        }
        driver
    }

    /// Sends a request. Returns the value of the answer, or its error.
    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.exchange(method, path, &body).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
            None => Ok(value),
        }
    }

    /// Sends one request and returns the body of the answer. The driver keeps the connection open, so the header
    /// `Content-Length` tells where the body ends.
    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
        let mut answer = BufReader::new(stream);
        let mut answer_len = 0;
        loop {
            let mut line = String::new();
            if answer.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((_, value)) =
                line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            {
                answer_len = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut answer_body = vec![0; answer_len];
        answer.read_exact(&mut answer_body)?;
        Ok(answer_body)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        // In a process namespace, `kill` does not find the group.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
