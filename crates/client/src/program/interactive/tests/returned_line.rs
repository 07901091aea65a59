//! Dialogues in which a chat ends before a line is sent, or before it arrives. The editor gets an unsent line back.

use super::super::connected::RECEIVED_FIRST_MAX_LINES;
use super::play;

#[tokio::test]
async fn a_line_for_an_earlier_chat_comes_back() {
    let server = "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > PING
        <| PONG\\nPEER_DISCONNECTED\\nINCOMING_CONNECTION Ada\\n
        > WHO
        < USERS Ada
        > MSG now for Ada
        < MSG_SENT
        .";
    let user = "
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        > PING
        < :: PONG in…
        < :: Noy left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        ~ for Noy only
        < :: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.
        ? for Noy only
        ~ DISCONNECT
        < :: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.
        ? DISCONNECT
        ~ WHO
        < :: Here: Ada.
        > now for Ada";
    play([server], &["--chat", "Noy"], user).await;
}

#[tokio::test]
async fn a_line_does_not_overtake_the_end_of_its_chat_in_the_same_segment() {
    // One more line than the session handles before it sends a line.
    let n_messages = RECEIVED_FIRST_MAX_LINES + 1;
    let messages = "FROM Noy: more\\n".repeat(n_messages);
    let server = format!(
        "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > PING
        <| PONG\\n{messages}PEER_DISCONNECTED\\nINCOMING_CONNECTION Ada\\n
        > WHO
        < USERS Ada
        ."
    );
    let shown_messages = "< Noy: more\n".repeat(n_messages);
    let user = format!(
        "
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        > PING
        > for Noy only
        < :: PONG in…
        {shown_messages}
        < :: Noy left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        < :: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.
        ? for Noy only
        > WHO
        < :: Here: Ada."
    );
    play([server.leak()], &["--chat", "Noy"], &user).await;
}

#[tokio::test]
async fn a_line_that_reached_another_chat_is_reported() {
    // Each line crosses the event that changes the chat, except the last, which reaches the chat that it was typed for.
    let server = "
        < WELCOME
        > CONNECT Elias
        < CONNECT_OK Elias
        > MSG secret
        < PEER_DISCONNECTED
        < INCOMING_CONNECTION Ada
        < MSG_SENT
        > MSG typed
        <| PEER_DISCONNECTED\\nINCOMING_CONNECTION Noy\\nMSG_SENT\\n
        > MSG again
        <| PEER_DISCONNECTED\\nINCOMING_CONNECTION Noy\\nMSG_SENT\\n
        > DISCONNECT
        < DISCONNECT_OK
        > MSG to nobody
        <| INCOMING_CONNECTION Ada\\nMSG_SENT\\n
        > MSG hello
        < MSG_SENT
        .";
    let user = "
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        > secret
        < :: Elias left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        < :! the chat with Elias ended before your last line arrived: Ada got it
        > MSG typed
        < :: Ada left the chat.
        < :: Noy opened a chat with you: type to answer, DISCONNECT to leave.
        < :! the chat with Ada ended before your last line arrived: Noy got it
        < :: MSG_SENT
        > again
        < :: Noy left the chat.
        < :: Noy opened a chat with you: type to answer, DISCONNECT to leave.
        < :! the chat with Noy ended before your last line arrived: it went to the new chat with Noy
        > DISCONNECT
        < :: You left the chat with Noy.
        > MSG to nobody
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        < :! the chat with Ada began before your last line arrived: Ada got it
        < :: MSG_SENT
        > hello";
    play([server], &["--chat", "Elias"], user).await;
}

#[tokio::test]
async fn a_paste_is_sent_as_messages_until_the_chat_ends() {
    let server = "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > MSG DISCONNECT
        < MSG_SENT
        > MSG /quit
        < MSG_SENT
        > MSG 1
        <| MSG_SENT\\nPEER_DISCONNECTED\\nINCOMING_CONNECTION Ada\\n
        > DISCONNECT
        < DISCONNECT_OK
        .";
    let user = concat!(
        r"
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        | DISCONNECT\n/quit
        | 1\n2\n3\n4\n5
        < :: Noy left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        < :! 4 pasted lines were not sent: the chat with Noy is over
        > DISCONNECT
        < :: You left the chat with Ada.
        = a\nb
        < :: You wrote this for Ada, and that chat is over: it was not sent.
        ? a\nb
        | WHO\nPING
        < :! you are not in a chat: use REGISTER NAME and then CONNECT NAME. WHO lists the users.",
        " Pasted text is never a command"
    );
    play([server], &["--chat", "Noy"], user).await;
}
