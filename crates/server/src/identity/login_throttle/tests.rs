//! Tests of the throttle with a clock of their own.

use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// One attempt a minute for a day, and the few before the delay has grown to a minute.
const ATTEMPTS_A_DAY: usize = 1440;

fn origin(host: u32) -> Origin {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + host);
    Origin { address: AddressKey::new(SocketAddr::from((address, 50_000)), &[]), is_limited: true }
}

fn name(name: &str) -> Username {
    Username::new(name).expect("a valid name")
}

/// The time at which every test begins. Tests compute all later times from it, and never wait.
fn start() -> Instant {
    Instant::now()
}

/// Begins attempts as early as possible, and ends each as `outcome`. Returns the number of attempts that started within
/// a day. `next` gives the origin and the name of each attempt.
fn attempts_in_a_day(
    throttle: &mut LoginThrottle,
    start: Instant,
    mut next: impl FnMut() -> (Origin, Username),
) -> usize {
    let (mut now, mut attempts) = (start, 0);
    while now < start + DAY {
        let (origin, name) = next();
        match throttle.begin(origin, &name, now) {
            Ok(attempt) => {
                if attempt.starts_at() < start + DAY {
                    attempts += 1;
                }
                // Half of the clients close before the answer.
                if attempts % 2 == 0 {
                    throttle.finish(attempt, Outcome::Refused, now);
                }
            }
            Err(AskAgainAt(time)) => {
                assert!(time > now, "the time is in the future");
                now = time;
            }
        }
    }
    attempts
}

#[test]
fn delays_grow_from_nothing_to_a_minute() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let mut now = start;
    // The delay before each attempt, in seconds, when the attempt before it has failed at once.
    for (index, expected) in [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
        let attempt = throttle.begin(origin(1), &name("Noy"), now).expect("no other attempt waits");
        assert_eq!(attempt.starts_at() - now, Duration::from_secs(expected), "attempt {}", index + 1);
        now = attempt.starts_at();
        throttle.finish(attempt, Outcome::Refused, now);
    }
}

#[test]
fn failures_are_forgotten_one_by_one() {
    // Minutes after nine failures, attempts that start at once then, and the delay of the next one in seconds.
    let cases = [
        (3, 1, 60),
        (10, 1, 60),
        (20, 1, 32),
        (30, 1, 16),
        (40, 1, 8),
        (50, 1, 4),
        (60, 1, 2),
        (70, 1, 1),
        (80, 2, 1),
        (90, 3, 1),
        (1000, 3, 1),
    ];
    for (minutes, expected_free, expected_delay) in cases {
        let (mut throttle, start) = (LoginThrottle::new(), start());
        let mut fail = |now| {
            let attempt = throttle.begin(origin(1), &name("Noy"), now).expect("no other attempt waits");
            let starts_at = attempt.starts_at();
            throttle.finish(attempt, Outcome::Refused, starts_at);
            starts_at
        };
        let mut now = start;
        for _ in 0..9 {
            now = fail(now);
        }
        let now = start + Duration::from_mins(minutes);
        let delays: Vec<u64> = (0..=expected_free).map(|_| (fail(now) - now).as_secs()).collect();
        let mut expected = vec![0; expected_free];
        expected.push(expected_delay);
        assert_eq!(delays, expected, "{minutes} minutes later");
    }
}

#[test]
fn success_resets_the_account_for_its_address_only() {
    let (mut throttle, now) = (LoginThrottle::new(), start());
    for host in [1, 2] {
        for _ in 0..3 {
            let attempt = throttle.begin(origin(host), &name("Noy"), now).expect("the attempt is accepted");
            throttle.finish(attempt, Outcome::Refused, now);
        }
    }
    let later = now + Duration::from_secs(1);
    let attempt = throttle.begin(origin(1), &name("Noy"), now).expect("the attempt is accepted");
    assert_eq!(attempt.starts_at(), later);
    throttle.finish(attempt, Outcome::Accepted, later);
    let mut delay = |host, account| {
        let attempt = throttle.begin(origin(host), &name(account), now).expect("the attempt is accepted");
        let delay = attempt.starts_at() - now;
        throttle.finish(attempt, Outcome::NotChecked, now);
        delay
    };
    assert_eq!(delay(1, "Noy"), Duration::ZERO);
    assert_eq!(delay(2, "Noy"), Duration::from_secs(1));
    assert_eq!(delay(1, "Elias"), Duration::ZERO);
}

#[test]
fn attempt_that_was_not_checked_does_not_count() {
    let (mut throttle, now) = (LoginThrottle::new(), start());
    for _ in 0..1000 {
        let attempt = throttle.begin(origin(1), &name("Noy"), now).expect("the attempt is accepted");
        assert_eq!(attempt.starts_at(), now);
        throttle.finish(attempt, Outcome::NotChecked, now);
    }
    assert_eq!((throttle.lanes.len(), throttle.addresses.len(), throttle.accounts.len()), (0, 0, 0));
}

#[test]
fn address_makes_a_hundred_accounts_at_once_and_then_one_a_minute() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let (mut now, mut made) = (start, 0);
    while now < start + DAY {
        match throttle.admit_credential(origin(1), now) {
            Ok(()) => made += 1,
            Err(AskAgainAt(time)) => {
                assert!(time > now && time <= now + DELAY_MAX, "a client hears of a time in the next minute");
                assert!(made >= 100, "{made} accounts before the first delay");
                assert_eq!(throttle.admit_credential(origin(2), now), Ok(()), "another address does not wait");
                now = time;
            }
        }
    }
    assert!((100 + ATTEMPTS_A_DAY - 10..100 + ATTEMPTS_A_DAY + 10).contains(&made), "{made} accounts in a day");
    let exempt = Origin { is_limited: false, ..origin(3) };
    assert!((0..1000).all(|_| throttle.admit_credential(exempt, now).is_ok()));
}

#[test]
fn school_class_logs_in_at_once() {
    let (mut throttle, now) = (LoginThrottle::new(), start());
    let attempts: Vec<_> = (0..FREE_FOR_ADDRESS)
        .map(|student| throttle.begin(origin(1), &name(&format!("student{student}")), now).expect("it is accepted"))
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.starts_at(), now);
        throttle.finish(attempt, Outcome::Accepted, now);
    }
    assert_eq!(throttle.known_places.len(), 32);
    assert_eq!(throttle.addresses.len(), 0, "no failure is left");
}

#[test]
fn guessing_one_account_from_one_address_is_slow() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let attempts = attempts_in_a_day(&mut throttle, start, || (origin(1), name("Noy")));
    assert!((ATTEMPTS_A_DAY..ATTEMPTS_A_DAY + 10).contains(&attempts), "{attempts} attempts");
}

#[test]
fn guessing_many_accounts_from_one_address_is_slow() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let mut number = 0;
    let attempts = attempts_in_a_day(&mut throttle, start, || {
        number += 1;
        (origin(1), name(&format!("user{number}")))
    });
    assert!((ATTEMPTS_A_DAY..ATTEMPTS_A_DAY + 40).contains(&attempts), "{attempts} attempts");
}

/// An attacker with an own account logs in to it before each guess.
#[test]
fn own_logins_do_not_make_guessing_faster() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let (mut now, mut guesses, mut number) = (start, 0, 0);
    while now < start + DAY {
        for _ in 0..10 {
            if let Ok(own) = throttle.begin(origin(1), &name("attacker"), now) {
                throttle.finish(own, Outcome::Accepted, now);
            }
        }
        number += 1;
        match throttle.begin(origin(1), &name(&format!("user{number}")), now) {
            Ok(attempt) => {
                guesses += 1;
                throttle.finish(attempt, Outcome::Refused, now);
            }
            Err(AskAgainAt(time)) => now = time,
        }
    }
    assert!(guesses < ATTEMPTS_A_DAY + 40, "{guesses} guesses");
}

/// Five hundred addresses guess at one account as fast as they may. Its owner logs in from several places.
#[test]
fn owner_is_not_locked_out_by_other_addresses() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let known = throttle.begin(origin(9001), &name("Noy"), start).expect("nobody guesses yet");
    throttle.finish(known, Outcome::Accepted, start);
    for second in 0..120 {
        let now = start + Duration::from_secs(second);
        for host in 0..500 {
            let _ = throttle.begin(origin(host), &name("Noy"), now);
        }
        let attempt = throttle.begin(origin(9001), &name("Noy"), now).expect("a known place");
        assert_eq!(attempt.starts_at(), now, "a place where the password was right does not wait");
        throttle.finish(attempt, Outcome::Accepted, now);
    }
    let now = start + Duration::from_mins(2);
    let attempt = throttle.begin(origin(9002), &name("Noy"), now).expect("an address where nobody guesses");
    let delay = attempt.starts_at() - now;
    assert!(delay > Duration::from_secs(50) && delay <= DELAY_MAX, "a new place waits {delay:?}");
}

#[test]
fn owner_does_not_wait_for_guesses_at_others_from_a_known_place() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let known = throttle.begin(origin(1), &name("Noy"), start).expect("nobody guesses yet");
    throttle.finish(known, Outcome::Accepted, start);
    let mut number = 0;
    attempts_in_a_day(&mut throttle, start, || {
        number += 1;
        (origin(1), name(&format!("user{number}")))
    });
    let now = start + DAY;
    assert!(throttle.begin(origin(1), &name("stranger"), now).map_or(true, |attempt| attempt.starts_at() > now));
    assert_eq!(throttle.begin(origin(1), &name("Noy"), now).map(|attempt| attempt.starts_at()), Ok(now));
}

#[test]
fn exempt_address_is_limited_for_each_account_only() {
    let (mut throttle, start) = (LoginThrottle::new(), start());
    let exempt = Origin { is_limited: false, ..origin(1) };
    for number in 0..1000 {
        let attempt = throttle.begin(exempt, &name(&format!("user{number}")), start).expect("it is accepted");
        assert_eq!(attempt.starts_at(), start);
    }
    let attempts = attempts_in_a_day(&mut throttle, start, || (exempt, name("Noy")));
    assert!(attempts < ATTEMPTS_A_DAY + 10, "{attempts} attempts");
}

#[test]
fn flood_of_names_does_not_reset_a_count() {
    let (mut throttle, now) = (LoginThrottle::with_capacity(64), start());
    for _ in 0..5 {
        let attempt = throttle.begin(origin(0), &name("Noy"), now).expect("the attempt is accepted");
        throttle.finish(attempt, Outcome::Refused, now);
    }
    for number in 0..2_000 {
        // Four failures each, fewer than the five that must stay.
        for _ in 0..4 {
            let _ = throttle.begin(origin(1 + number), &name(&format!("user{number}")), now);
        }
        assert!(throttle.lanes.len() <= 64 && throttle.addresses.len() <= 64 && throttle.accounts.len() <= 64);
    }
    let attempt = throttle.begin(origin(0), &name("Noy"), now).expect("the attempt is accepted");
    assert_eq!(attempt.starts_at() - now, Duration::from_secs(1 + 2 + 4), "three attempts wait already");
}

#[test]
fn known_places_are_bounded_and_forget_the_oldest() {
    let (mut throttle, start) = (LoginThrottle::with_capacity(64), start());
    for number in 0..1000 {
        let now = start + Duration::from_secs(u64::from(number));
        let attempt = throttle.begin(origin(number), &name(&format!("user{number}")), now).expect("it is accepted");
        throttle.finish(attempt, Outcome::Accepted, now);
        assert!(throttle.known_places.len() <= 64);
    }
    let is_known =
        |number: u32| throttle.known_places.contains(&(Box::from(format!("user{number}")), origin(number).address));
    assert!((950..1000).all(is_known));
    assert!(!(0..900).any(is_known));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin { host: u32, user: u32 },
    Finish { index: usize, outcome: Outcome },
    Wait { millis: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![Just(Outcome::Accepted), Just(Outcome::Refused), Just(Outcome::NotChecked)];
    let step = prop_oneof![
        4 => (0..6_u32, 0..6_u32).prop_map(|(host, user)| Step::Begin { host, user }),
        2 => (any::<usize>(), outcome).prop_map(|(index, outcome)| Step::Finish { index, outcome }),
        1 => (0..100_000_u64).prop_map(|millis| Step::Wait { millis }),
        1 => (0..100_000_000_u64).prop_map(|millis| Step::Wait { millis }),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn waits_and_memory_are_bounded_for_any_steps(steps in steps(), entries_max in 1..8_usize) {
        let mut throttle = LoginThrottle::with_capacity(entries_max);
        let (mut now, mut attempts) = (start(), Vec::new());
        for step in steps {
            match step {
                Step::Begin { host, user } => match throttle.begin(origin(host), &name(&format!("user{user}")), now) {
                    Ok(attempt) => {
                        prop_assert!(attempt.starts_at() >= now && attempt.starts_at() <= now + DELAY_MAX);
                        attempts.push(attempt);
                    }
                    Err(AskAgainAt(time)) => prop_assert!(time > now && time <= now + DELAY_MAX),
                },
                Step::Finish { index, outcome } => {
                    if !attempts.is_empty() {
                        let attempt = attempts.swap_remove(index % attempts.len());
                        throttle.finish(attempt, outcome, now);
                    }
                }
                Step::Wait { millis } => now += Duration::from_millis(millis),
            }
            prop_assert!(throttle.lanes.len() <= entries_max);
            prop_assert!(throttle.addresses.len() <= entries_max);
            prop_assert!(throttle.accounts.len() <= entries_max);
            prop_assert!(throttle.known_places.len() <= entries_max);
        }
    }
}
