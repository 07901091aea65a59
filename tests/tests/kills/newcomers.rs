//! Newcomers: accounts that are made while the server is killed again and again. Each acknowledged one lasts.

use std::sync::Arc;

use fastrand::Rng;
use tokio::time::{Duration, sleep, timeout};

use crate::connection::Connection;
use crate::ledger::Newcomer;
use crate::team::PASSWORD;
use crate::world::{Stage, World};

/// Longest wait for an answer of a running server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes one account after the other, and logs in to earlier ones, until the load ends.
pub(crate) async fn come(world: Arc<World>, mut rng: Rng) {
    for number in 0.. {
        if world.stage() != Stage::Load {
            return;
        }
        // If the kill comes first, nobody knows whether the account exists. The next one has another name.
        if claim(&world, &format!("newcomer{number}")).await.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
        let earlier = rng.choice(world.ledger().newcomers.iter()).cloned();
        if let Some(newcomer) = earlier {
            log_in(&world, &newcomer).await;
        }
        sleep(Duration::from_millis(rng.u64(20..200))).await;
    }
}

/// Makes an account and a token. Returns `None` if the connection is lost before.
async fn claim(world: &World, name: &str) -> Option<()> {
    let mut connection = Connection::open(world.address()).await?;
    connection.queue("HELLO 2");
    connection.queue(&format!("REGISTER {name}"));
    connection.queue(&format!("CLAIM password {PASSWORD}"));
    connection.queue("TOKEN");
    for expected in ["WELCOME", "HELLO_OK ", "REGISTER_OK ", "CLAIM_OK "] {
        expect(world, &mut connection, name, expected).await?;
    }
    world.ledger().newcomers.push(Newcomer { name: name.to_owned(), token: None });
    let token = expect(world, &mut connection, name, "TOKEN_OK ").await?;
    if let Some(newcomer) = world.ledger().newcomers.last_mut() {
        newcomer.token = Some(token);
    }
    Some(())
}

/// Logs in to an account that the server has acknowledged. Returns `None` if the connection is lost before.
pub(crate) async fn log_in(world: &World, newcomer: &Newcomer) -> Option<()> {
    let Newcomer { name, token } = newcomer;
    let mut connection = Connection::open(world.address()).await?;
    connection.queue("HELLO 2");
    connection.queue(&match token {
        Some(token) => format!("LOGIN {name} main token {token}"),
        None => format!("LOGIN {name} main password {PASSWORD}"),
    });
    for expected in ["WELCOME", "HELLO_OK ", "LOGIN_OK "] {
        expect(world, &mut connection, name, expected).await?;
    }
    world.ledger().counts.logins += 1;
    Some(())
}

/// The part of the next line after `expected`.
async fn expect(world: &World, connection: &mut Connection, name: &str, expected: &str) -> Option<String> {
    let line = match timeout(PATIENCE, connection.receive()).await {
        Ok(line) => line?,
        Err(_) => "nothing".to_owned(),
    };
    let rest = line.strip_prefix(expected);
    if rest.is_none() {
        world.ledger().violation(format!("{name} received {line:?} instead of {expected:?}"));
    }
    rest.map(str::to_owned)
}
