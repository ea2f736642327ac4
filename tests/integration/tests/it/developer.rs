//! A mapper's developer: a new folder outside this repository, no registry, no configuration.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{TestFolder, artefacts, binary};

/// Runs the binary as on a machine that has cargo and nothing that cargo has downloaded.
fn developer(folder: &Path, arguments: &[&str]) -> Output {
    std::fs::create_dir_all(folder.join("cargo-home")).expect("a folder");
    Command::new(binary("ml-connector"))
        .arg("mapper")
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_HOME", folder.join("cargo-home"))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("the binary starts")
}

#[track_caller]
fn said(output: &Output) -> String {
    let words =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words}");
    words
}

#[track_caller]
fn failed(output: &Output) -> String {
    let words =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{words}");
    words
}

/// The four commands of the README.
#[test]
fn from_a_new_project_to_a_green_test_on_the_component_without_a_registry() {
    let folder = TestFolder::new("developer");
    said(&developer(&folder.0, &["new", "my-books"]));
    let built = said(&developer(&folder.0, &["build", "--project", "my-books"]));
    assert!(built.contains("my-books 0.1.0 for contract 0.1.0"), "{built}");
    let tested = said(&developer(&folder.0, &["test", "--project", "my-books"]));
    assert!(tested.contains("1 golden cases") && tested.contains("are green"), "{tested}");

    // An account that differs is named with its place, natively and on the component.
    let expected = folder.0.join("my-books/tests/golden/first_order/expected.json");
    let text = std::fs::read_to_string(&expected).expect("a file");
    std::fs::write(&expected, text.replacen("41000", "49000", 1)).expect("writes");
    let wrong = failed(&developer(&folder.0, &["test", "--project", "my-books"]));
    assert!(wrong.contains("orders[0].Invoice.lines[0].account"), "{wrong}");
    said(&developer(&folder.0, &["test", "--project", "my-books", "--bless"]));
    assert!(std::fs::read_to_string(&expected).expect("a file").contains("41000"), "it is written again");

    let component = folder.0.join("my-books/target/mapper/my-books.component.wasm");
    let input = "my-books/tests/golden/first_order/input.json";
    let mapped = said(&developer(&folder.0, &["run", &component.display().to_string(), input]));
    assert!(mapped.contains("unmapped-sku") && mapped.contains("01-110-41000"), "{mapped}");

    // An `extra` that no host hands over is refused: natively it would show something that never happens.
    let text = std::fs::read_to_string(folder.0.join(input)).expect("a file");
    let more = text.replacen("\"status\":", "\"extra\": [[\"colour\", \"red\"]], \"status\":", 1);
    std::fs::write(folder.0.join("more.json"), more).expect("writes");
    let refused = failed(&developer(&folder.0, &["run", &component.display().to_string(), "more.json"]));
    assert!(refused.contains("MAP-CASE") && refused.contains("`colour`"), "{refused}");

    // One that the component alone says is found on the component: the native tests are green.
    let source = folder.0.join("my-books/src/lib.rs");
    let text = std::fs::read_to_string(&source).expect("a file");
    let line = "DocumentLine::of_item(item, &charge.kind, charge.amount.clone(), context.revenue(product))";
    let said_more = format!(
        "{{ let mut line = {line}; if cfg!(target_arch = \"wasm32\") \
         {{ line.extra.push((\"colour\".to_owned(), \"red\".to_owned())); }} line }}"
    );
    std::fs::write(&source, text.replace(line, &said_more)).expect("writes");
    let wrong = failed(&developer(&folder.0, &["test", "--project", "my-books"]));
    assert!(wrong.contains("MAP-GOLDEN") && wrong.contains("orders[0].Invoice.lines[0].extra"), "{wrong}");
}

#[test]
fn a_key_signs_a_component_and_is_never_overwritten() {
    let folder = TestFolder::new("signing");
    let component = artefacts("ML_CONNECTOR_PLUGINS", "plugins/components").join("minimal.component.wasm");
    std::fs::copy(component, folder.0.join("m.wasm")).expect("is built");
    let key = said(&developer(&folder.0, &["sign", "--new-key", "author.key"]));
    assert_eq!(key.trim().len(), 64, "{key}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.0.join("author.key")).expect("a file").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let again = developer(&folder.0, &["sign", "--new-key", "author.key"]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("SIG-KEY"));
    let signed = said(&developer(&folder.0, &["sign", "m.wasm", "--key", "author.key"]));
    assert!(signed.contains(key.trim()), "{signed}");
    assert_eq!(std::fs::read_to_string(folder.0.join("m.wasm.sig")).expect("a file").trim().len(), 128);
}
