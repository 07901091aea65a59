//! A bot that echoes every message. Start it with `cargo run --example echo_bot -- 127.0.0.1:12345`, then send
//! `CONNECT echo` from another client.

use switchboard_client::{Client, Error, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:12345".to_owned());
    if let Err(error) = echo(&addr).await {
        eprintln!("echo_bot: {error}");
        std::process::exit(1);
    }
}

/// Registers as `echo` and echoes messages until the connection ends.
pub async fn echo(addr: &str) -> Result<(), Error> {
    let (client, mut events) = Client::connect(addr).await?;
    client.register("echo").await?;
    while let Some(event) = events.next().await {
        match event {
            Event::Message { text, .. } => match client.send(&text).await {
                // The sender may have left the chat, or the text may exceed the limit of this server. Continue.
                Err(Error::Refused { code, .. }) => eprintln!("echo_bot: {code}"),
                Err(error @ (Error::Text(_) | Error::Blank)) => eprintln!("echo_bot: {error}"),
                result => result?,
            },
            Event::Closed(closed) => return Err(closed.into()),
            _ => {}
        }
    }
    Ok(())
}
