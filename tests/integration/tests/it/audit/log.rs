//! Every way to alter a log, each found at its place.

use std::path::Path;
use std::process::Command;

use ml_connector_audit::note::SigningKey;
use ml_connector_domain::audit::checkpoint::Checkpoint;
use ml_connector_domain::audit::merkle::{Hash, Tree, is_consistent};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::left::{Left, end_of, leaf, text};
use super::ran;
use crate::process::{Installed, words};

fn sql(statement: impl Into<String>) -> Vec<String> {
    vec![statement.into()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_verifies_and_whatever_is_done_to_it_is_located() {
    let installed = ran("audited", 81).await;
    let mut left = Left::by(&installed).await;
    let mut rng = ChaCha8Rng::seed_from_u64(81);
    healthy(&installed, &left).await;
    let last = left.last();
    // Between the first checkpoints, at the beginning, in the middle, and the last one.
    let places = [1, 2, rng.random_range(3..last), rng.random_range(3..last), last];
    for id in places {
        columns(&mut left, id).await;
        leaves(&mut left, id).await;
        left.assert_found(&sql(format!("DELETE FROM audit_event WHERE id = {id}")), "AUD-MISSING", id).await;
    }
    every_byte(&mut left, rng.random_range(3..last)).await;
    renumbered(&mut left, rng.random_range(3..last - 1)).await;
    reordered(&mut left, &mut rng).await;
    rewritten(&mut left, rng.random_range(3..last)).await;
    cut(&mut left).await;
    added(&mut left).await;
    forged(&mut left).await;
    a_byte_of_the_file(&installed, &mut left).await;
    by_command(&installed, &mut left).await;
}

async fn healthy(installed: &Installed, left: &Left) {
    let verdict = left.verdict(&left.database).await;
    assert_eq!(verdict.findings, [], "a healthy log");
    assert!(verdict.events > 500 && left.outside.len() > 5, "{} {}", verdict.events, left.outside.len());
    let newest = verdict.newest.expect("a checkpoint");
    assert_eq!(newest.size, verdict.events, "the last events are signed when the daemon ends");
    assert_eq!(verdict.checkpoints, 2 * left.outside.len(), "each is in the database and in the file");
    // Each checkpoint goes on from the one before it.
    let tree = Tree::new(left.events.iter().map(|event| leaf(event, event.id, None)).collect());
    for pair in left.checkpoints.windows(2) {
        let place = |checkpoint: &Checkpoint| usize::try_from(checkpoint.size).expect("small");
        let proof = tree.consistency(place(&pair[0]), place(&pair[1])).expect("grows");
        assert!(is_consistent((pair[0].size, pair[0].root), (pair[1].size, pair[1].root), &proof));
    }
    let said = installed.said(&["audit", "verify"]).await;
    assert!(said.contains("the log is as it was written"), "{said}");
}

async fn columns(left: &mut Left, id: i64) {
    for (column, to) in [
        ("at", "at + 1"),
        ("seller", "seller || ' '"),
        ("subject", "'another'"),
        ("action", "upper(action)"),
        ("detail", "detail || char(0)"),
        ("detail", "CAST(x'ff' AS TEXT)"),
    ] {
        let statement = format!("UPDATE audit_event SET {column} = {to} WHERE id = {id}");
        let verdict = left.assert_found(&sql(statement), "AUD-ALTERED", id).await;
        let message = format!("event {id} was altered");
        assert!(verdict.findings.iter().any(|finding| finding.message == message), "{:?}", verdict.findings);
    }
}

async fn leaves(left: &mut Left, id: i64) {
    for to in ["randomblob(32)", "NULL", "x'00'"] {
        let statement = format!("UPDATE audit_event SET leaf = {to} WHERE id = {id}");
        left.assert_found(&sql(statement), "AUD-LEAF", id).await;
    }
}

/// Every byte of one event's words, one after the other.
async fn every_byte(left: &mut Left, id: i64) {
    let words = text(&left.event(id).detail).into_bytes();
    assert!(!words.is_empty());
    for n in 0..words.len() {
        let mut altered = words.clone();
        altered[n] ^= 1;
        let hex: String = altered.iter().map(|byte| format!("{byte:02x}")).collect();
        let statement = format!("UPDATE audit_event SET detail = CAST(x'{hex}' AS TEXT) WHERE id = {id}");
        left.assert_found(&sql(statement), "AUD-ALTERED", id).await;
    }
}

/// An event is deleted, those after it close up, and the log's end is moved.
async fn renumbered(left: &mut Left, id: i64) {
    let leaves: Vec<Hash> =
        left.events.iter().filter(|event| event.id != id).map(|event| leaf(event, event.id, None)).collect();
    let statements = [
        format!("DELETE FROM audit_event WHERE id = {id}"),
        format!("UPDATE audit_event SET id = -id WHERE id > {id}"),
        "UPDATE audit_event SET id = -id - 1 WHERE id < 0".to_owned(),
        end_of(&leaves),
    ];
    left.assert_found(&statements, "AUD-MISSING", id).await;
}

async fn reordered(left: &mut Left, rng: &mut ChaCha8Rng) {
    let one = rng.random_range(1..left.last() / 2);
    let other = one + rng.random_range(1..left.last() / 2);
    let whole = [
        format!("UPDATE audit_event SET id = 0 WHERE id = {one}"),
        format!("UPDATE audit_event SET id = {one} WHERE id = {other}"),
        format!("UPDATE audit_event SET id = {other} WHERE id = 0"),
    ];
    let verdict = left.assert_found(&whole, "AUD-MOVED", one).await;
    assert!(verdict.findings.iter().any(|finding| finding.event == Some(other)), "{:?}", verdict.findings);
    // Each leaf stays where it was.
    let mut apart = whole.to_vec();
    let hex = |id: i64| leaf(left.event(id), id, None).to_string();
    apart.push(format!("UPDATE audit_event SET leaf = x'{}' WHERE id = {one}", hex(one)));
    apart.push(format!("UPDATE audit_event SET leaf = x'{}' WHERE id = {other}", hex(other)));
    left.assert_found(&apart, "AUD-MOVED", other).await;
}

/// Who rewrites an event with its leaf, and the log's end too, meets what was signed.
async fn rewritten(left: &mut Left, id: i64) {
    let words = "nothing happened";
    let new = leaf(left.event(id), id, Some(words));
    let event = format!("UPDATE audit_event SET detail = '{words}', leaf = x'{new}' WHERE id = {id}");
    let leaves: Vec<Hash> = left
        .events
        .iter()
        .map(|event| if event.id == id { new } else { leaf(event, event.id, None) })
        .collect();
    let place = u64::try_from(id).expect("positive");
    let before = left.checkpoints.iter().map(|checkpoint| checkpoint.size).filter(|size| *size < place);
    let from = i64::try_from(before.max().unwrap_or(0)).expect("small") + 1;
    let to = left
        .checkpoints
        .iter()
        .map(|checkpoint| checkpoint.size)
        .find(|size| *size >= place)
        .expect("signed");
    for statements in [sql(event.clone()), vec![event, end_of(&leaves)]] {
        let verdict = left.assert_found(&statements, "AUD-RANGE", from).await;
        let range = format!("events {from} to {to} ");
        assert!(
            verdict.findings.iter().any(|finding| finding.message.contains(&range)),
            "{:?}",
            verdict.findings
        );
    }
}

async fn cut(left: &mut Left) {
    let last = left.last();
    for events in [1, 7, last / 2] {
        let kept = last - events;
        let delete = format!("DELETE FROM audit_event WHERE id > {kept}");
        left.assert_found(&sql(delete.clone()), "AUD-MISSING", kept + 1).await;
        let leaves: Vec<Hash> = left.events.iter().map(|event| leaf(event, event.id, None)).collect();
        let end = end_of(&leaves[..usize::try_from(kept).expect("small")]);
        left.assert_found(&[delete.clone(), end.clone()], "AUD-MISSING", kept + 1).await;
        let unsigned = format!("DELETE FROM audit_checkpoint WHERE size > {kept}");
        let all = [delete, end, unsigned];
        left.assert_found(&all, "AUD-MISSING", kept + 1).await;
        // Without the checkpoints that were kept elsewhere, nobody could know.
        let (copy, outside) = (left.altered(&all).await, std::mem::take(&mut left.outside));
        assert_eq!(left.verdict(&copy).await.findings, [], "as the documentation says");
        left.outside = outside;
        assert!(!left.verdict(&copy).await.findings.is_empty());
    }
    left.assert_found(&sql("DELETE FROM audit_event"), "AUD-MISSING", 1).await;
}

async fn added(left: &mut Left) {
    let last = left.last();
    let insert = "INSERT INTO audit_event (id, at, seller, subject, action, detail, leaf) VALUES";
    left.assert_found(&sql(format!("{insert} (-3, 0, '', '', '', '', NULL)")), "AUD-ADDED", -3).await;
    let behind = format!("{insert} ({}, 0, '', '', '', '', NULL)", last + 1);
    left.assert_found(&sql(behind), "AUD-ADDED", last + 1).await;
    left.assert_found(&sql("DELETE FROM audit_log"), "AUD-END", None).await;
    left.assert_found(&sql("UPDATE audit_log SET peaks = zeroblob(length(peaks))"), "AUD-END", None).await;
}

/// Checkpoints of another key, of another size, altered in the database, and altered in the file.
async fn forged(left: &mut Left) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let thief = SigningKey::parse(&SigningKey::generate(&mut rng)).expect("a key");
    let checkpoint = left.checkpoints[1].clone();
    let size = checkpoint.size;
    let by_thief = thief.sign(&checkpoint.text());
    let own = &left.outside[1].note.clone();
    for note in
        [by_thief.clone(), own.replace(&format!("\n{size}\n"), &format!("\n{}\n", size + 1)), "x".to_owned()]
    {
        let statement = format!("UPDATE audit_checkpoint SET note = '{note}' WHERE size = {size}");
        let verdict = left.assert_found(&sql(statement), "AUD-FORGED", None).await;
        let place = format!("the database's checkpoint of {size} events is forged");
        assert!(
            verdict.findings.iter().any(|finding| finding.message.contains(&place)),
            "{:?}",
            verdict.findings
        );
    }
    let moved = format!("UPDATE audit_checkpoint SET size = {} WHERE size = {size}", size + 1);
    left.assert_found(&sql(moved), "AUD-FORGED", None).await;
    let good = left.outside.clone();
    left.outside[2].note = by_thief;
    let place = left.outside[2].place.clone();
    let verdict = left.verdict(&left.database).await;
    assert!(
        verdict.findings.iter().any(|f| f.code == "AUD-FORGED" && f.message.starts_with(&place)),
        "{:?}",
        verdict.findings
    );
    left.outside = good;
}

/// No SQL: one bit of the database's file, where one event's words stand.
async fn a_byte_of_the_file(installed: &Installed, left: &mut Left) {
    let bytes = std::fs::read(&left.database).expect("reads");
    let mut found = 0;
    for event in left.events.iter().step_by(left.events.len() / 7) {
        let words = event.detail.clone().expect("is set");
        let places: Vec<usize> =
            (0..bytes.len() - words.len()).filter(|n| bytes[*n..].starts_with(&words)).collect();
        let [place] = places[..] else { continue };
        let mut altered = bytes.clone();
        altered[place + words.len() / 2] ^= 4;
        let copy = installed.path("flipped.sqlite");
        std::fs::write(&copy, altered).expect("writes");
        let verdict = left.verdict(&copy).await;
        let ids: Vec<_> = verdict.findings.iter().map(|finding| (finding.code, finding.event)).collect();
        assert_eq!(ids, [("AUD-ALTERED", Some(event.id))]);
        found += 1;
    }
    assert!(found > 0, "no event's words stand in the file once");
}

/// As an operator runs it: exit codes, sentences, and neither configuration nor master key.
async fn by_command(installed: &Installed, left: &mut Left) {
    let key = installed.said(&["audit", "key"]).await;
    assert_eq!(key.trim(), left.key.to_string());
    std::fs::remove_file(installed.path("master.key")).expect("removes");
    let elsewhere = installed.path("kept-elsewhere");
    std::fs::copy(installed.path("audit.checkpoints"), &elsewhere).expect("copies");
    let verify = |database: &Path, key: &str| {
        let output = Command::new(crate::support::binary("ml-connector"))
            .args(["audit", "verify", "--public-key", key.trim(), "--checkpoints"])
            .arg(&elsewhere)
            .arg("--database")
            .arg(database)
            .current_dir("/")
            .output()
            .expect("starts");
        (output.status.code(), words(&output))
    };
    let (code, said) = verify(&left.database, &key);
    assert!(code == Some(0) && said.contains("the log is as it was written"), "{code:?} {said}");
    let copy = left.altered(&sql("UPDATE audit_event SET detail = 'x' WHERE id = 42")).await;
    let (code, said) = verify(&copy, &key);
    assert!(code == Some(3) && said.contains("AUD-ALTERED: event 42 was altered"), "{code:?} {said}");
    let (code, said) = verify(&installed.path("none.sqlite"), &key);
    assert!(code == Some(1) && said.contains("STO-OPEN"), "{code:?} {said}");
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let other = SigningKey::parse(&SigningKey::generate(&mut rng)).expect("a key");
    let (code, said) = verify(&left.database, &other.public().to_string());
    assert!(code == Some(3) && said.contains("AUD-FORGED"), "another key's: {code:?} {said}");
}
