//! The chat page in a browser, used as a person uses it: by its address, its keys and its texts.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::test_client::TIMEOUT;

/// Waits until a condition is true, or fails with the text of the page. It is checked when the page has changed.
const WAIT: &str = r"
    const [TIMEOUT, ...values] = arguments;
    const isTrue = () => { CONDITION };
    return new Promise((resolve, reject) => {
        const finish = (result) => {
            clearTimeout(timer);
            observer.disconnect();
            resolve(result);
        };
        const check = () => isTrue() && finish('');
        const observer = new MutationObserver(check);
        const timer = setTimeout(() => finish(document.body.innerText || 'an empty page'), TIMEOUT);
        observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
        check();
    });
";

/// A window with the chat page.
#[derive(Debug)]
pub struct ChatPage {
    browser: Browser,
}

impl ChatPage {
    /// Opens the page of a server in a new browser. `room` is the end of the link, such as `#lab`.
    #[must_use]
    pub fn open(web: SocketAddr, room: &str) -> Self {
        Self::open_in(Browser::start(1200, 800), web, room)
    }

    /// Opens the page in a browser.
    #[must_use]
    pub fn open_in(browser: Browser, web: SocketAddr, room: &str) -> Self {
        Self::open_link(browser, &format!("http://{web}/{room}"))
    }

    /// Opens a link to the page in a browser.
    #[must_use]
    pub fn open_link(browser: Browser, link: &str) -> Self {
        browser.open_url(link);
        let page = Self { browser };
        page.wait("return !document.querySelector('#entry').hidden || !document.querySelector('#app').hidden", &[]);
        page
    }

    /// The browser of the window.
    #[must_use]
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Types a name as a guest, and waits until the conversation of the link is there.
    pub fn enter(&self, name: &str) {
        self.try_name(name);
        self.wait("return document.querySelector('#title').textContent !== ''", &[]);
    }

    /// Types a name as a guest.
    pub fn try_name(&self, name: &str) {
        let _ = self
            .browser
            .run("const field = document.querySelector('#guest-name'); field.value = ''; field.focus()", &[]);
        self.type_text(name);
        self.press("Enter");
    }

    /// Logs in to an account.
    pub fn log_in(&self, name: &str, password: &str) {
        let _ = self.browser.run("document.querySelector('#account-entry').open = true", &[]);
        for (field, text) in [("#account-name", name), ("#account-password", password)] {
            self.focus(field);
            self.type_text(text);
        }
        self.press("Enter");
        self.wait("return document.querySelector('#title').textContent !== ''", &[]);
    }

    /// Makes an account of the guest's name.
    pub fn claim(&self, password: &str) {
        self.click("#me");
        self.wait("return document.querySelector('#dialog-body input[type=password]') !== null", &[]);
        self.focus("#dialog-body input[type=password]");
        self.type_text(password);
        self.press("Enter");
        self.wait("return document.querySelector('#my-kind').textContent === ''", &[]);
    }

    /// Writes a message and sends it.
    pub fn say(&self, text: &str) {
        self.focus("#text");
        self.type_text(text);
        self.press("Enter");
    }

    /// Waits until an element contains a text.
    pub fn wait_for(&self, selector: &str, text: &str) {
        let contains = "return [...document.querySelectorAll(values[0])].some((element) => element.textContent.includes(values[1]))";
        self.wait(contains, &[json!(selector), json!(text)]);
    }

    /// Waits until a message shows a state, such as `stored`.
    pub fn wait_for_state(&self, message: &str, state: &str) {
        let has_state = "return [...document.querySelectorAll('.message')].some((row) =>
            row.querySelector('.body').textContent === values[0] && row.querySelector('.state')?.textContent.includes(values[1]))";
        self.wait(has_state, &[json!(message), json!(state)]);
    }

    /// Waits until the body of a function returns true. It finds the arguments in `values`.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait(&self, condition: &str, values: &[Value]) {
        let script = WAIT.replace("CONDITION", condition);
        let mut arguments = vec![json!(u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX))];
        arguments.extend_from_slice(values);
        let page = self.browser.run_async(&script, &arguments);
        assert_eq!(page, json!(""), "in vain: {condition} {values:?}");
    }

    /// Clicks on an element.
    pub fn click(&self, selector: &str) {
        let _ = self.browser.run("document.querySelector(arguments[0]).click()", &[json!(selector)]);
    }

    /// Clicks on an element with the pointer, as a user does. Browsers ask for a permission only after that.
    pub fn click_with_pointer(&self, selector: &str) {
        let place = self.browser.run(
            "const element = document.querySelector(arguments[0]);
             element.scrollIntoView({ block: 'center' });
             const { x, y, width, height } = element.getBoundingClientRect();
             return [x + width / 2, y + height / 2];",
            &[json!(selector)],
        );
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            let _ = self.browser.devtools("Input.dispatchMouseEvent", &event);
        }
    }

    fn focus(&self, selector: &str) {
        let _ = self.browser.run("document.querySelector(arguments[0]).focus()", &[json!(selector)]);
    }

    /// Types a text into the field that has the focus.
    pub fn type_text(&self, text: &str) {
        let _ = self.browser.devtools("Input.insertText", &json!({ "text": text }));
    }

    /// Presses a key by its name, such as `Enter`.
    pub fn press(&self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "F1" => 112,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            let _ = self.browser.devtools("Input.dispatchKeyEvent", &event);
        }
    }

    /// Opens the page in a second window of the same browser, and goes there. Returns the first window.
    #[must_use]
    pub fn open_window(&self) -> String {
        let (first, url) = self.browser.open_window();
        self.browser.open_url(&url);
        first
    }

    /// Goes to another window of the browser.
    pub fn switch_to(&self, window: &str) {
        self.browser.switch_to(window);
    }

    /// The messages and events on the screen, each as its text.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        let texts = self
            .browser
            .run("return [...document.querySelectorAll('.message .body')].map((body) => body.textContent)", &[]);
        texts.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}
