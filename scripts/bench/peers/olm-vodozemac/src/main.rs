// The same operations as scripts/bench/crypto.ts, natively in vodozemac, base64 included. Prints one line for each:
// the operation's name, a tab, microseconds (the median of the rounds).
//
//   olm-vodozemac [rounds]
use std::hint::black_box;
use std::time::Instant;

use vodozemac::megolm::{self, GroupSession, InboundGroupSession, MegolmMessage, SessionKey};
use vodozemac::olm::{self, Account, OlmMessage, PreKeyMessage, Session};

/// Microseconds per call: `make` prepares what `run` consumes, outside the clock.
fn measure<T, R>(calls: usize, mut make: impl FnMut() -> T, mut run: impl FnMut(T) -> R) -> f64 {
    let inputs: Vec<T> = (0..calls).map(|_| make()).collect();
    let start = Instant::now();
    for input in inputs {
        black_box(run(input));
    }
    start.elapsed().as_secs_f64() * 1e6 / calls as f64
}

fn inbound_of(session: &GroupSession) -> InboundGroupSession {
    InboundGroupSession::new(&session.session_key(), megolm::SessionConfig::version_1())
}

fn megolm_encrypt(size: usize) -> f64 {
    let text = vec![b'x'; size];
    let mut session = GroupSession::new(megolm::SessionConfig::version_1());
    measure(400, || (), |()| session.encrypt(&text).to_base64())
}

fn megolm_decrypt(size: usize) -> f64 {
    let text = vec![b'x'; size];
    let mut session = GroupSession::new(megolm::SessionConfig::version_1());
    let mut inbound = inbound_of(&session);
    measure(
        400,
        || session.encrypt(&text).to_base64(),
        |body| inbound.decrypt(&MegolmMessage::from_base64(&body).unwrap()).unwrap(),
    )
}

fn outbound(from: &Account, to: &mut Account) -> Session {
    to.generate_one_time_keys(1);
    let key = *to.one_time_keys().values().next().unwrap();
    to.mark_keys_as_published();
    from.create_outbound_session(olm::SessionConfig::version_1(), to.curve25519_key(), key).unwrap()
}

fn olm_outbound() -> f64 {
    let (alice, mut bob) = (Account::new(), Account::new());
    let identity = bob.curve25519_key();
    let mut keys = Vec::new();
    for _ in 0..100 {
        bob.generate_one_time_keys(1);
        keys.push(*bob.one_time_keys().values().next().unwrap());
        bob.mark_keys_as_published();
    }
    let mut next = keys.into_iter();
    measure(
        100,
        || next.next().unwrap(),
        |key| alice.create_outbound_session(olm::SessionConfig::version_1(), identity, key).unwrap(),
    )
}

fn prekey_body(session: &mut Session, text: &[u8]) -> String {
    match session.encrypt(text).unwrap() {
        OlmMessage::PreKey(message) => message.to_base64(),
        OlmMessage::Normal(_) => panic!("a fresh session sends pre-key messages"),
    }
}

fn olm_inbound() -> f64 {
    let (alice, mut bob) = (Account::new(), Account::new());
    let identity = alice.curve25519_key();
    let bodies: Vec<String> = (0..100).map(|_| prekey_body(&mut outbound(&alice, &mut bob), &[b'x'; 900])).collect();
    let mut next = bodies.into_iter();
    measure(
        100,
        || next.next().unwrap(),
        |body| {
            let message = PreKeyMessage::from_base64(&body).unwrap();
            bob.create_inbound_session(olm::SessionConfig::version_1(), identity, &message).unwrap()
        },
    )
}

fn pair() -> (Session, Session) {
    let (alice, mut bob) = (Account::new(), Account::new());
    let mut a = outbound(&alice, &mut bob);
    let message = PreKeyMessage::from_base64(&prekey_body(&mut a, b"hello")).unwrap();
    let made = bob
        .create_inbound_session(olm::SessionConfig::version_1(), alice.curve25519_key(), &message)
        .unwrap();
    let mut b = made.session;
    a.decrypt(&b.encrypt(b"hello").unwrap()).unwrap();
    (a, b)
}

fn body_of(message: OlmMessage) -> String {
    match message {
        OlmMessage::Normal(message) => message.to_base64(),
        OlmMessage::PreKey(message) => message.to_base64(),
    }
}

fn normal(body: &str) -> OlmMessage {
    OlmMessage::Normal(olm::Message::from_base64(body).unwrap())
}

fn olm_one_way() -> (f64, f64) {
    let (mut a, mut b) = pair();
    let text = [b'x'; 900];
    // The first message after a turn makes a new ratchet key: that belongs to the ping-pong.
    b.decrypt(&normal(&body_of(a.encrypt(&text).unwrap()))).unwrap();
    let mut bodies = Vec::new();
    let encrypt = measure(400, || (), |()| bodies.push(body_of(a.encrypt(&text).unwrap())));
    let mut next = bodies.into_iter();
    (encrypt, measure(400, || next.next().unwrap(), |body| b.decrypt(&normal(&body)).unwrap()))
}

fn olm_ping_pong() -> (f64, f64) {
    let (mut a, mut b) = pair();
    let text = [b'x'; 900];
    let (mut encrypting, mut decrypting) = (0.0, 0.0);
    let turns = 200;
    for _ in 0..turns {
        let start = Instant::now();
        let body = body_of(a.encrypt(&text).unwrap());
        encrypting += start.elapsed().as_secs_f64();
        let start = Instant::now();
        black_box(b.decrypt(&normal(&body)).unwrap());
        decrypting += start.elapsed().as_secs_f64();
        std::mem::swap(&mut a, &mut b);
    }
    (encrypting * 1e6 / turns as f64, decrypting * 1e6 / turns as f64)
}

fn ratchet_export(index: u32, calls: usize) -> f64 {
    let session = GroupSession::new(megolm::SessionConfig::version_1());
    measure(calls, || inbound_of(&session), |mut inbound| inbound.export_at(index).unwrap().to_base64())
}

fn account() -> f64 {
    measure(
        5,
        || (),
        |()| {
            let mut account = Account::new();
            account.generate_one_time_keys(50);
            account.one_time_keys().values().map(|key| key.to_base64()).collect::<Vec<_>>()
        },
    )
}

fn group_new() -> (f64, f64) {
    let make = || GroupSession::new(megolm::SessionConfig::version_1());
    let out = measure(100, || (), |()| make());
    let inbound = measure(
        100,
        || make().session_key().to_base64(),
        |key| InboundGroupSession::new(&SessionKey::from_base64(&key).unwrap(), megolm::SessionConfig::version_1()),
    );
    (out, inbound)
}

fn round() -> Vec<(&'static str, f64)> {
    let (one_way_encrypt, one_way_decrypt) = olm_one_way();
    let (ping_encrypt, ping_decrypt) = olm_ping_pong();
    let (group_out, group_in) = group_new();
    vec![
        ("Megolm encrypt 100 B", megolm_encrypt(100)),
        ("Megolm encrypt 900 B", megolm_encrypt(900)),
        ("Megolm encrypt 40 KB", megolm_encrypt(40_000)),
        ("Megolm decrypt 100 B", megolm_decrypt(100)),
        ("Megolm decrypt 900 B", megolm_decrypt(900)),
        ("Megolm decrypt 40 KB", megolm_decrypt(40_000)),
        ("Megolm outbound new", group_out),
        ("Megolm inbound new", group_in),
        ("Olm outbound session", olm_outbound()),
        ("Olm inbound session + decrypt", olm_inbound()),
        ("Olm one-way encrypt 900 B", one_way_encrypt),
        ("Olm one-way decrypt 900 B", one_way_decrypt),
        ("Olm ping-pong encrypt 900 B", ping_encrypt),
        ("Olm ping-pong decrypt 900 B", ping_decrypt),
        ("ratchet export at 2^20", ratchet_export(1 << 20, 50)),
        ("ratchet export at 2^24-1", ratchet_export((1 << 24) - 1, 5)),
        ("account with 50 one-time keys", account()),
    ]
}

fn main() {
    let rounds: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let all: Vec<_> = (0..rounds).map(|_| round()).collect();
    for (i, (name, _)) in all[0].iter().enumerate() {
        let mut times: Vec<f64> = all.iter().map(|one| one[i].1).collect();
        times.sort_by(f64::total_cmp);
        println!("{name}\t{:.2}", times[times.len() / 2]);
    }
}
