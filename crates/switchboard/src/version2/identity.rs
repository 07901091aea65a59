//! Accounts: how a guest gets one, and how a device logs in.

use std::sync::Arc;

use switchboard_protocol::version2::{self, DeviceName, Proof, Reply, fits_tag};
use switchboard_protocol::{ErrorCode, Username};

use super::REQUEST_WORK_MAX;
use super::commit_queue::QueuedOutput;
use super::state::{Checked, IdentityChange, IdentityStep, LoginAttempt};
use crate::accounts::Device;
use crate::board::Switchboard;
use crate::change::{AccountId, Change, ConversationId, Credential, DeviceId, Standing};
use crate::close_reason::CloseReason;
use crate::effects::{Effects, Fact, StoreEffects};
use crate::identity::{IdentityAnswer, IdentityRequest};
use crate::session::SessionId;

/// The name of the device with which an account begins.
const FIRST_DEVICE: &str = "main";

/// Maximum devices of an account.
const DEVICES_MAX: usize = 32;

/// Maximum accounts of a server.
const ACCOUNTS_MAX: usize = 1_000_000;

impl Switchboard {
    /// Takes the answer of the shell to the session's last [`IdentityRequest`].
    pub fn identified(&mut self, session: SessionId, answer: IdentityAnswer, effects: &mut impl StoreEffects) {
        let step = self.version2.sessions.get_mut(&session).and_then(|state| state.identity.take());
        if let Some(step) = step
            && let Err(code) = self.next_identity_step(session, step, answer, effects)
        {
            self.refuse(session, None, code, effects);
        }
        self.carry_out_deferred(session, effects);
        self.settle(REQUEST_WORK_MAX, effects);
    }

    fn next_identity_step(
        &mut self,
        session: SessionId,
        step: IdentityStep,
        answer: IdentityAnswer,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        match (step, answer) {
            (_, IdentityAnswer::NotSecure) => Err(ErrorCode::NotSecure),
            (_, IdentityAnswer::Busy) => Err(ErrorCode::Unavailable),
            (_, IdentityAnswer::TryLater) => Err(ErrorCode::TryLater),
            (IdentityStep::Claim, IdentityAnswer::PasswordHashed(hash)) => {
                self.claim_with(session, Credential::Password(hash), effects)
            }
            (IdentityStep::Claim, IdentityAnswer::KeyParsed(key)) => {
                self.claim_with(session, Credential::Key(key), effects)
            }
            (IdentityStep::Passwd, IdentityAnswer::KeyParsed(key)) => {
                self.set_credential(session, Credential::Key(key), effects)
            }
            (_, IdentityAnswer::InvalidKey) => Err(ErrorCode::InvalidArgument),
            (IdentityStep::Passwd, IdentityAnswer::PasswordHashed(hash)) => {
                self.set_credential(session, Credential::Password(hash), effects)
            }
            (IdentityStep::Login(attempt), IdentityAnswer::Accepted) => self.log_in(session, &attempt, effects),
            (IdentityStep::Challenge(attempt), IdentityAnswer::ChallengeMade(challenge)) => {
                self.send_now(session, &Reply::Challenge { challenge: (&*challenge).into() }, effects);
                self.set_step(session, IdentityStep::AwaitsProof(attempt, challenge));
                Ok(())
            }
            (IdentityStep::Token, IdentityAnswer::TokenMade(token, hash)) => {
                self.can_store()?;
                let (account, device) = self.own_device(session)?;
                let ledger = &mut self.version2.ledger;
                if let Some(device) =
                    ledger.accounts.get_mut(account).and_then(|account| account.devices.get_mut(&device))
                {
                    device.token = Some(hash);
                }
                ledger.append(Change::TokenSet { device, hash }, effects);
                self.reply_after_change(session, &Reply::TokenOk { token });
                Ok(())
            }
            (_, _) => Err(ErrorCode::LoginFailed),
        }
    }

    /// `CLAIM`: the guest becomes an account.
    pub(super) fn claim(
        &mut self,
        from: SessionId,
        credential: version2::Credential<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let name = self.own_name(from)?;
        if self.account_of(from).is_some() {
            return Err(ErrorCode::AlreadyLoggedIn);
        }
        // A guest may have a name that cannot be the value of a tag.
        if !fits_tag(name) {
            return Err(ErrorCode::InvalidName);
        }
        self.can_store()?;
        self.check_new_credential(from, IdentityStep::Claim, credential, effects);
        Ok(())
    }

    /// Hashes a new password, or checks a new key. `step` then goes on.
    fn check_new_credential(
        &mut self,
        from: SessionId,
        step: IdentityStep,
        credential: version2::Credential<'_>,
        effects: &mut impl StoreEffects,
    ) {
        let request = match credential {
            version2::Credential::Password(secret) => IdentityRequest::HashPassword(secret),
            version2::Credential::Key(key) => IdentityRequest::ParseKey(key.into_owned()),
        };
        self.begin_check(from, step, request, effects);
    }

    /// Asks the shell. `step` goes on with the answer.
    fn begin_check(
        &mut self,
        from: SessionId,
        step: IdentityStep,
        request: IdentityRequest,
        effects: &mut impl StoreEffects,
    ) {
        let began = self.version2.activity;
        if let Some(state) = self.version2.sessions.get_mut(&from) {
            state.identity = Some(step);
            state.check_began = began;
            effects.identify(from, request);
        }
    }

    fn claim_with(
        &mut self,
        from: SessionId,
        credential: Credential,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.can_store()?;
        let username = Username::new(self.own_name(from)?).map_err(|_| ErrorCode::InvalidName)?;
        let account = self.create_account(&username, credential, effects)?;
        let device = self.add_device(account, FIRST_DEVICE, effects);
        self.commit_identity(from, IdentityChange::Claim(account, device));
        Ok(())
    }

    /// Creates an account without devices.
    pub(super) fn create_account(
        &mut self,
        username: &Username,
        credential: Credential,
        effects: &mut impl StoreEffects,
    ) -> Result<AccountId, ErrorCode> {
        let ledger = &mut self.version2.ledger;
        if ledger.accounts.len() >= ACCOUNTS_MAX {
            return Err(ErrorCode::TooManyAccounts);
        }
        // An earlier attempt may have been stored although it was reported as failed.
        if ledger.accounts.holder(username).is_some() {
            return Err(ErrorCode::NameTaken);
        }
        let account = ledger.accounts.next_account();
        let name = username.as_str().to_owned();
        ledger.accounts.insert(account, &name, credential.clone());
        ledger.append(Change::AccountCreated { account, name, credential }, effects);
        Ok(account)
    }

    /// `LOGIN`: the session becomes a device of an account.
    pub(super) fn login(
        &mut self,
        from: SessionId,
        name: &str,
        device: &DeviceName,
        proof: Proof<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        if self.account_of(from).is_some() {
            return Err(ErrorCode::AlreadyLoggedIn);
        }
        if self.sessions.get(from).is_some_and(|session| session.registration.is_some()) {
            return Err(ErrorCode::AlreadyRegistered);
        }
        let account = self.version2.ledger.accounts.find(name);
        let stored = account.and_then(|account| self.version2.ledger.accounts.get(account));
        let mut folded = String::new();
        if Username::fold_into(name, &mut folded).is_err() {
            name.clone_into(&mut folded);
        }
        let attempt = LoginAttempt { account, name: folded.clone(), device: device.clone(), checked: None };
        match proof {
            Proof::Password(secret) => {
                let hash = stored.and_then(|account| match &account.credential {
                    Credential::Password(hash) => Some(hash.clone()),
                    Credential::Key(_) => None,
                });
                let checked = hash.clone().map(|hash| Checked::Credential(Credential::Password(hash)));
                let step = IdentityStep::Login(LoginAttempt { checked, ..attempt });
                self.begin_check(from, step, IdentityRequest::CheckPassword { name: folded, secret, hash }, effects);
            }
            Proof::Token(secret) => {
                let hash = stored.and_then(|account| account.device(device)).and_then(|(_, device)| device.token);
                let step = IdentityStep::Login(LoginAttempt { checked: hash.map(Checked::Token), ..attempt });
                self.begin_check(from, step, IdentityRequest::CheckToken { name: folded, secret, hash }, effects);
            }
            // The key that the client names says nothing: only the account's own key can have made the signature.
            Proof::Key(_) => {
                let key = stored.map(|account| &account.credential).filter(|key| matches!(key, Credential::Key(_)));
                let checked = key.cloned().map(Checked::Credential);
                let step = IdentityStep::Challenge(LoginAttempt { checked, ..attempt });
                let device = device.as_str().to_owned();
                self.begin_check(from, step, IdentityRequest::NewChallenge { name: folded, device }, effects);
            }
        }
        Ok(())
    }

    /// `PROVE`: the signature of the challenge.
    pub(super) fn prove(
        &mut self,
        from: SessionId,
        signature: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let step = self.version2.sessions.get_mut(&from).and_then(|state| state.identity.take());
        let Some(IdentityStep::AwaitsProof(attempt, challenge)) = step else { return Err(ErrorCode::LoginFailed) };
        let name = attempt.name.clone();
        let key = match attempt.checked {
            Some(Checked::Credential(Credential::Key(key))) => Some(key),
            _ => None,
        };
        let request = IdentityRequest::CheckSignature { name, key, challenge, signature: signature.to_owned() };
        self.begin_check(from, IdentityStep::Login(attempt), request, effects);
        Ok(())
    }

    /// The identity of a device is proved.
    fn log_in(
        &mut self,
        from: SessionId,
        attempt: &LoginAttempt,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        // The session may have registered as a guest between its challenge and the proof.
        if self.sessions.get(from).is_some_and(|session| session.registration.is_some()) {
            return Err(ErrorCode::LoginFailed);
        }
        self.check_state()?;
        // The account may be gone, or have another credential, since the check began.
        let account = attempt.account.ok_or(ErrorCode::LoginFailed)?;
        let stored = self.version2.ledger.accounts.get(account).ok_or(ErrorCode::LoginFailed)?;
        let is_current = match &attempt.checked {
            Some(Checked::Credential(credential)) => stored.credential == *credential,
            Some(Checked::Token(hash)) => {
                stored.device(&attempt.device).is_some_and(|(_, device)| device.token == Some(*hash))
            }
            None => false,
        };
        if !is_current {
            return Err(ErrorCode::LoginFailed);
        }
        if let Some(ban) = self.version2.ledger.bans.of_account(account) {
            let reason = ban.reason.clone();
            self.close_with_words(from, CloseReason::Banned, &reason, effects);
            return Ok(());
        }
        if let Some((device, stored_device)) = stored.device(&attempt.device) {
            if stored_device.added > self.version2.durable {
                // Another session has added it just now.
                self.commit_identity(from, IdentityChange::Login(account, device));
                return Ok(());
            }
            return self.complete_login(from, account, device, effects);
        }
        if stored.devices.len() >= DEVICES_MAX {
            return Err(ErrorCode::TooManyDevices);
        }
        self.can_store()?;
        let device = self.add_device(account, attempt.device.as_str(), effects);
        self.commit_identity(from, IdentityChange::Login(account, device));
        Ok(())
    }

    fn add_device(&mut self, account: AccountId, name: &str, effects: &mut impl StoreEffects) -> DeviceId {
        let ledger = &mut self.version2.ledger;
        let device = ledger.accounts.next_device();
        ledger.append(Change::DeviceAdded { device, account, name: name.to_owned() }, effects);
        let added = ledger.position();
        if let (Some(account), Ok(name)) = (ledger.accounts.get_mut(account), DeviceName::new(name)) {
            account.devices.insert(device, Device { name, token: None, session: None, added });
        }
        device
    }

    /// Lets a change of identity take effect once the store has it.
    fn commit_identity(&mut self, from: SessionId, change: IdentityChange) {
        self.set_step(from, IdentityStep::Commit(change));
        self.enqueue(from, QueuedOutput::Identity(from));
    }

    /// The store has the change of identity.
    pub(super) fn complete_identity(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        let step = self.version2.sessions.get_mut(&session).and_then(|state| state.identity.take());
        let result = match step {
            Some(IdentityStep::Commit(IdentityChange::Claim(account, device))) => {
                self.attach(session, account, device).map(|_| {
                    let name = self.own_name(session).unwrap_or_default().to_owned();
                    self.reply(session, &Reply::ClaimOk { name: name.into() }, effects);
                })
            }
            Some(IdentityStep::Commit(IdentityChange::Unclaim)) => {
                self.become_guest(session, effects);
                Ok(())
            }
            Some(IdentityStep::Commit(IdentityChange::Login(account, device))) => {
                self.complete_login(session, account, device, effects)
            }
            _ => Ok(()),
        };
        if let Err(code) = result {
            self.refuse(session, None, code, effects);
        }
        self.carry_out_deferred(session, effects);
    }

    fn complete_login(
        &mut self,
        session: SessionId,
        account: AccountId,
        device: DeviceId,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let stored = self.version2.ledger.accounts.get(account).ok_or(ErrorCode::LoginFailed)?;
        let name = Arc::clone(&stored.name);
        let stored_device = stored.devices.get(&device).ok_or(ErrorCode::LoginFailed)?;
        let device_name = stored_device.name.as_str().to_owned();
        let began = |session| self.version2.sessions.get(&session).map_or(0, |state| state.check_began);
        if stored_device.session.is_some_and(|holder| began(holder) > began(session)) {
            // The device has logged in again while this check took its time.
            self.close(session, CloseReason::Displaced, effects);
            return Ok(());
        }
        let is_connected = stored.sessions().next().is_some();
        let username = Username::new(&name).map_err(|_| ErrorCode::InvalidName)?;
        if is_connected {
            self.directory.register_unlisted(username, session, &mut self.sessions);
        } else {
            self.directory.register(username, session, &mut self.sessions).map_err(|_| ErrorCode::NameTaken)?;
            self.announce(&name, true, effects);
        }
        let displaced = self.attach(session, account, device)?;
        let reply = Reply::LoginOk { name: (&*name).into(), device: (&*device_name).into() };
        self.reply(session, &reply, effects);
        effects.log(Fact::LoggedIn { session, name: &name, device: &device_name });
        if let Some(displaced) = displaced {
            self.close(displaced, CloseReason::Displaced, effects);
        }
        Ok(())
    }

    /// Makes a session the session of a device. Returns the session that was before.
    fn attach(
        &mut self,
        session: SessionId,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Option<SessionId>, ErrorCode> {
        let account_state = self.version2.ledger.accounts.get_mut(account).ok_or(ErrorCode::LoginFailed)?;
        let device_state = account_state.devices.get_mut(&device).ok_or(ErrorCode::LoginFailed)?;
        let displaced = device_state.session.replace(session);
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.device = Some((account, device));
        }
        Ok(displaced)
    }

    /// `TOKEN`.
    pub(super) fn token(&mut self, from: SessionId, effects: &mut impl StoreEffects) -> Result<(), ErrorCode> {
        self.own_device(from)?;
        self.can_store()?;
        self.begin_check(from, IdentityStep::Token, IdentityRequest::NewToken, effects);
        Ok(())
    }

    /// `PASSWD`.
    pub(super) fn passwd(
        &mut self,
        from: SessionId,
        credential: version2::Credential<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.own_account(from)?;
        self.can_store()?;
        self.check_new_credential(from, IdentityStep::Passwd, credential, effects);
        Ok(())
    }

    fn set_credential(
        &mut self,
        from: SessionId,
        credential: Credential,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.can_store()?;
        let account = self.own_account(from)?;
        let ledger = &mut self.version2.ledger;
        if let Some(account) = ledger.accounts.get_mut(account) {
            account.credential = credential.clone();
        }
        ledger.append(Change::CredentialSet { account, credential }, effects);
        self.reply_after_change(from, &Reply::PasswdOk);
        Ok(())
    }

    /// `DEVICES`.
    pub(super) fn devices(&mut self, from: SessionId, effects: &mut impl StoreEffects) -> Result<(), ErrorCode> {
        let (account, own_device) = self.own_device(from)?;
        let mut lines = Vec::new();
        let mut count = 0;
        for (&id, device) in self.version2.ledger.accounts.get(account).into_iter().flat_map(|account| &account.devices)
        {
            let name = device.name.as_str().into();
            Reply::Device { name, is_connected: device.session.is_some(), is_this: id == own_device }
                .encode(&mut lines);
            count += 1;
        }
        Reply::DevicesOk { count }.encode(&mut lines);
        self.reply_encoded(from, lines, effects);
        Ok(())
    }

    /// `REVOKE`: removes a device of the account, and ends its session.
    pub(super) fn revoke(
        &mut self,
        from: SessionId,
        name: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (account_id, own_device) = self.own_device(from)?;
        self.can_store()?;
        let name = DeviceName::new(name).map_err(|_| ErrorCode::DeviceNotFound)?;
        let ledger = &mut self.version2.ledger;
        let account = ledger.accounts.get_mut(account_id).ok_or(ErrorCode::NotLoggedIn)?;
        let device = account.device(&name).map(|(device, _)| device).ok_or(ErrorCode::DeviceNotFound)?;
        if device == own_device {
            return Err(ErrorCode::NotAllowed);
        }
        let removed = account.devices.remove(&device);
        ledger.append(Change::DeviceRemoved { device }, effects);
        if let Some(Device { name, session, .. }) = removed {
            self.version2.ledger.forget_device(device);
            self.reply_after_change(from, &Reply::RevokeOk { device: name.as_str().into() });
            if let Some(session) = session {
                self.close(session, CloseReason::Revoked, effects);
            }
        }
        Ok(())
    }

    /// `UNCLAIM`: deletes the account. Its sessions end, but this one, which becomes a guest.
    pub(super) fn unclaim(&mut self, from: SessionId, effects: &mut impl StoreEffects) -> Result<(), ErrorCode> {
        let account = self.own_account(from)?;
        self.can_store()?;
        self.close_sessions_of(account, Some(from), CloseReason::Revoked, "", effects);
        self.delete_account(from, account, effects);
        self.commit_identity(from, IdentityChange::Unclaim);
        Ok(())
    }

    /// Deletes an account, which leaves its rooms first. `from`: the session that asks for it, if there is one.
    pub(super) fn delete_account(&mut self, from: SessionId, account: AccountId, effects: &mut impl StoreEffects) {
        let ledger = &self.version2.ledger;
        let is_member = |id: &ConversationId| {
            let conversation = &ledger.conversations[id];
            conversation.is_room() && conversation.standing(Some(account)).is_some_and(Standing::is_member)
        };
        let rooms: Vec<_> = ledger.conversations_of(account).filter(is_member).collect();
        for id in rooms {
            self.remove_from_room(from, id, account, None, effects);
        }
        self.version2.ledger.delete_account(account, effects);
    }

    /// The account of the session is deleted: the session goes on as a guest's.
    fn become_guest(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        let Some(state) = self.version2.sessions.get_mut(&session) else { return };
        (state.device, state.partner) = (None, None);
        for id in state.open.clone() {
            self.remove_viewer(session, id, effects);
        }
        self.reply(session, &Reply::UnclaimOk, effects);
    }

    /// After the store was loaded anew: the sessions keep their devices. A session whose device is gone ends.
    pub(super) fn restore_devices(&mut self, effects: &mut impl StoreEffects) {
        let devices: Vec<_> = self
            .version2
            .sessions
            .iter()
            .filter_map(|(&session, state)| state.device.map(|(account, device)| (session, account, device)))
            .collect();
        let mut revoked = Vec::new();
        for (session, account, device) in devices {
            let account = self.version2.ledger.accounts.get_mut(account);
            match account.and_then(|account| account.devices.get_mut(&device)) {
                Some(device) => device.session = Some(session),
                None => revoked.push(session),
            }
        }
        // After all others have their devices: a name goes over to another session of its account, if there is one.
        for session in revoked {
            self.close(session, CloseReason::Revoked, effects);
        }
    }

    /// Frees the device of a session that has ended. Returns another session of the same account.
    pub(super) fn release_device(
        &mut self,
        session: SessionId,
        device: Option<(AccountId, DeviceId)>,
    ) -> Option<SessionId> {
        let (account, device) = device?;
        let account = self.version2.ledger.accounts.get_mut(account)?;
        if let Some(device) = account.devices.get_mut(&device)
            && device.session == Some(session)
        {
            device.session = None;
        }
        account.sessions().next()
    }

    /// Tells the watchers that a name came or has gone.
    #[cold]
    pub(crate) fn announce(&mut self, name: &str, has_come: bool, effects: &mut impl Effects) {
        if self.version2.watchers.is_empty() {
            return;
        }
        let name = name.into();
        let mut line = Vec::new();
        if has_come { Reply::Came { name } } else { Reply::Gone { name } }.encode(&mut line);
        for watcher in self.version2.watchers.clone() {
            self.send_line(watcher, &line, effects);
        }
    }

    fn set_step(&mut self, session: SessionId, step: IdentityStep) {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.identity = Some(step);
        }
    }

    fn own_device(&self, session: SessionId) -> Result<(AccountId, DeviceId), ErrorCode> {
        self.version2.sessions.get(&session).and_then(|state| state.device).ok_or(ErrorCode::NotLoggedIn)
    }
}
