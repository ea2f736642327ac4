//! The archive: the same bytes each time, checked by a shell, and found out if altered.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::process::{Command, Stdio};

use ml_connector_audit::evidence;
use ml_connector_audit::note::VerifyingKey;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::{confirmed, ran};
use crate::process::{Installed, words};

type Files = BTreeMap<String, Vec<u8>>;

fn unpacked(archive: &[u8]) -> Files {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).expect("an archive");
    let mut files = Files::new();
    for n in 0..zip.len() {
        let mut entry = zip.by_index(n).expect("an entry");
        let (name, mut bytes) = (entry.name().expect("a name").into_owned(), Vec::new());
        entry.read_to_end(&mut bytes).expect("reads");
        files.insert(name, bytes);
    }
    files
}

fn packed(files: &Files) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).expect("starts");
        zip.write_all(bytes).expect("writes");
    }
    zip.finish().expect("ends").into_inner()
}

/// The manifest as whoever altered the files would make it.
fn with_manifest(files: &Files) -> Files {
    let mut files = files.clone();
    files.remove("manifest.sha256");
    let hash = |bytes: &[u8]| ml_connector_domain::id::ContentHash::of(bytes);
    let manifest: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", hash(bytes))).collect();
    files.insert("manifest.sha256".to_owned(), manifest.into_bytes());
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_is_checked_without_us_and_an_altered_archive_is_found() {
    let installed = ran("evidence", 84).await;
    let (one, two) = (installed.path("one.zip"), installed.path("two.zip"));
    for out in [&one, &two] {
        installed.said(&["evidence", "--period", "2026-09", "--out", out.to_str().expect("a path")]).await;
    }
    let archive = std::fs::read(&one).expect("reads");
    assert_eq!(archive, std::fs::read(&two).expect("reads"), "the same books give the same bytes");
    let key = installed.said(&["audit", "key"]).await;
    let said = installed
        .said(&["evidence", "verify", one.to_str().expect("a path"), "--public-key", key.trim()])
        .await;
    assert!(said.contains("the evidence is as it was written"), "{said}");
    let files = unpacked(&archive);
    let of_september = confirmed(&installed).await;
    let of_september = of_september.iter().filter(|one| one.row.document.date.month() == 9).count();
    let documents = files.keys().filter(|name| name.starts_with("documents/")).count();
    assert!(documents > 20 && documents == of_september, "{documents} {of_september}");
    for folder in ["payloads/", "bookings/", "catalogs/"] {
        assert!(files.keys().any(|name| name.starts_with(folder)), "{folder}");
    }
    assert_eq!(
        packed_findings(&with_manifest(&files), &key),
        Vec::<String>::new(),
        "the tests' own packing changes nothing"
    );
    by_hand(&installed, &files);
    tampered(&files, &key);
    std::fs::write(&two, &archive[..archive.len() / 2]).expect("writes");
    let refused = installed.refused(&["evidence", "verify", two.to_str().expect("a path")]).await;
    assert!(refused.contains("AUD-ARCHIVE"), "{refused}");
}

fn packed_findings(files: &Files, key: &str) -> Vec<String> {
    let key = VerifyingKey::parse(key).expect("a key");
    let checked = evidence::check(Cursor::new(packed(files)), Some(key)).expect("an archive");
    checked.findings.iter().map(ToString::to_string).collect()
}

/// The README's own steps, run by a shell.
fn by_hand(installed: &Installed, files: &Files) {
    let folder = installed.path("unpacked");
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        std::fs::write(path, bytes).expect("writes");
    }
    let shell = |program: &str, script: &str| {
        let mut child = Command::new(program)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        child.stdin.take().expect("an input").write_all(script.as_bytes()).expect("writes");
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{script}: {}", words(&output));
        words(&output)
    };
    shell("sh", "sha256sum --check --quiet manifest.sha256");
    let readme = String::from_utf8(files["README.md"].clone()).expect("text");
    let blocks = |language: &str| -> Vec<String> {
        let fence = format!("```{language}\n");
        let parts = readme.split(fence.as_str()).skip(1);
        // Indented, since they stand in a numbered list.
        parts
            .map(|part| {
                part.split("```").next().unwrap_or_default().replace("\n   ", "\n").trim_start().to_owned()
            })
            .collect()
    };
    let steps = blocks("sh");
    assert_eq!(steps.len(), 2);
    let said = shell("sh", &steps[0]);
    assert!(said.contains("Verified Successfully"), "{said}");
    let said = shell("sh", &steps[1]);
    let proofs = String::from_utf8(files["proofs.jsonl"].clone()).expect("text");
    let first: Value = serde_json::from_str(proofs.lines().next().expect("a proof")).expect("JSON");
    assert!(said.starts_with(first["leaf"].as_str().expect("a hash")), "{said}");
    if Command::new("python3").arg("--version").output().is_ok() {
        let said = shell("python3", &blocks("python")[0]);
        assert!(said.contains("every event is in the signed log"), "{said}");
    } else {
        println!("skipped: python3 is missing");
    }
}

/// All files beside the folders, and four of each folder.
fn some_of_each_folder(files: &Files) -> Vec<&String> {
    let mut taken = BTreeMap::<&str, u32>::new();
    let mut few = Vec::new();
    for name in files.keys() {
        let count = name.split_once('/').map_or(0, |(folder, _)| {
            let count = taken.entry(folder).or_default();
            *count += 1;
            *count
        });
        if count <= 4 {
            few.push(name);
        }
    }
    few
}

/// Each kind of file, by somebody who does not know of the manifest, and by somebody who makes it anew.
fn tampered(files: &Files, key: &str) {
    let mut rng = ChaCha8Rng::seed_from_u64(84);
    for name in some_of_each_folder(files) {
        let mut altered = files.clone();
        let bytes = altered.get_mut(name).expect("is there");
        // Not the end of a line: white space at the end of a key or a list says nothing.
        let written: Vec<usize> = (0..bytes.len()).filter(|n| bytes[*n] != b'\n').collect();
        let place = written[rng.random_range(0..written.len())];
        bytes[place] ^= 1;
        let found = packed_findings(&altered, key);
        assert!(
            found.iter().any(|finding| finding.contains(name.as_str())) || name == "manifest.sha256",
            "{name}: {found:?}"
        );
        assert!(!found.is_empty(), "{name}");
        let mut removed = files.clone();
        removed.remove(name);
        let found = packed_findings(&removed, key);
        assert!(found.iter().any(|finding| finding.contains(name.as_str())), "{name}: {found:?}");
        // What the signature does not reach: the README, and the two lists that say how a thing is written elsewhere.
        let free = ["README.md", "manifest.sha256", "mappers.jsonl"].contains(&name.as_str())
            || name.starts_with("catalogs/");
        if !free
            && !name.ends_with(".redacted.json")
            && !name.starts_with("bookings/")
            && name != "documents.jsonl"
        {
            let found = packed_findings(&with_manifest(&altered), key);
            assert!(!found.is_empty(), "{name} with a manifest made anew");
        }
    }
    // Somebody who understands the archive: another amount in a booking, and in a document with its list.
    let booking = files.keys().find(|name| name.starts_with("bookings/")).expect("a booking").clone();
    let mut altered = files.clone();
    let text = String::from_utf8(files[&booking].clone()).expect("text");
    let at = text.find("\"amount\":\"").expect("an amount") + "\"amount\":\"".len();
    let mut changed = text.clone();
    changed.insert(at + usize::from(changed[at..].starts_with('-')), '7');
    altered.insert(booking.clone(), changed.into_bytes());
    let found = packed_findings(&with_manifest(&altered), key);
    assert!(
        found.iter().any(|finding| finding.starts_with("EVI-SUM") && finding.contains(&booking)),
        "{found:?}"
    );
    let event = String::from_utf8(files["events.jsonl"].clone()).expect("text");
    let mut altered = files.clone();
    altered.insert("events.jsonl".to_owned(), event.replacen("accepted", "rejected", 1).into_bytes());
    let found = packed_findings(&with_manifest(&altered), key);
    assert!(
        found.iter().any(|finding| finding.contains("is not in the signed log: it was altered")),
        "{found:?}"
    );
    let mut added = files.clone();
    added.insert("documents/IADDED.json".to_owned(), b"{}".to_vec());
    let found = packed_findings(&with_manifest(&added), key);
    assert!(found.iter().any(|finding| finding.starts_with("EVI-ADDED: documents/IADDED.json")), "{found:?}");
}
