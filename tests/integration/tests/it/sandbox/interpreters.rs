//! What comes with a language's whole interpreter, on the way of an upload: what admits it, what compiles it, what a batch
//! of it costs.

use std::process::Command;
use std::time::Duration;

use ml_connector_mapper::{
    Batch, CacheKey, Class, CompileLimits, CompiledCache, Compiler, Fixture, Limits, LoadError,
    MapperRuntime, Origin, Policy, Usage, WasiPolicy,
};

use super::languages::built;
use super::{context, orders};
use crate::support::{TestFolder, artefacts, binary, mapper};

/// What a tenant's policy says for a mapper that was built without imports.
const CLOSED: Policy = Policy { class: Class::Interpreter, wasi: WasiPolicy::Refuse };
/// And for one that was built as its tool builds it if it is not told otherwise.
const WITH_WASI: Policy = Policy { class: Class::Interpreter, wasi: WasiPolicy::Deterministic };

/// Takes a component the way of an upload under a policy: through the compiling process with its class's limits, then from
/// the cache. A batch of a hundred is mapped as its twin in Rust maps it, with the same fuel again.
fn uploaded(name: &str, policy: &Policy) {
    let Some(bytes) = built(name) else { return };
    let folder = TestFolder::new(&format!("uploaded-{name}"));
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let cache = CompiledCache::open(&folder.0, CacheKey::new([3; 32])).expect("opens");
    // As the class says, but for the clock: this machine may run other tests.
    let limits = CompileLimits { wall: Duration::from_secs(280), ..CompileLimits::of(Class::Interpreter) };
    let compiler = Compiler { program: binary("ml-connector"), limits: Some(limits) };
    let load = || {
        let loaded = runtime.load_cached(&bytes, policy, &compiler, &cache);
        loaded.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert_eq!(load().origin(), Origin::Child);
    let loaded = load();
    assert_eq!(loaded.origin(), Origin::Cache);
    let fixture = Fixture {
        name: "a hundred orders".to_owned(),
        context: context(&[]),
        batch: Batch::Orders(orders(100)),
    };
    let expected = mapper("minimal").replay(&fixture).expect("maps");
    let replayed = loaded.replay(&fixture).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(replayed.output == expected.output, "{name} maps otherwise than its twin");
    let again = (0..20).map(|_| loaded.run_batch(&fixture.context, &fixture.batch).expect("maps").usage);
    tell(name, &again.min_by_key(|usage| usage.elapsed).expect("twenty"));
}

/// What a batch used of each limit, for who wants to know.
fn tell(name: &str, usage: &Usage) {
    println!("{name}: {} fuel, {} bytes of memory, {:?}", usage.fuel, usage.memory_bytes, usage.elapsed);
    for (limit, share) in usage.shares() {
        println!("  {:5.1} % of {limit}", 100.0 * share);
    }
}

#[test]
fn javascript_without_imports_goes_the_way_of_an_upload() {
    uploaded("javascript", &CLOSED);
}

#[test]
fn python_without_imports_goes_the_way_of_an_upload() {
    uploaded("python", &CLOSED);
}

#[test]
fn javascript_that_imports_wasi_is_served_where_the_policy_says_so() {
    uploaded("javascript-wasi", &WITH_WASI);
}

#[test]
fn python_that_imports_wasi_is_served_where_the_policy_says_so() {
    uploaded("python-wasi", &WITH_WASI);
}

#[test]
fn an_interpreter_that_imports_wasi_is_refused_by_default_and_told_the_flag() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    for name in ["javascript-wasi", "python-wasi"] {
        let Some(bytes) = built(name) else { continue };
        let refused = runtime.admit(&bytes, &CLOSED).expect_err("it imports WASI");
        assert!(
            matches!(&refused, LoadError::Import { import, .. } if import.starts_with("wasi:")),
            "{refused}"
        );
        let words = refused.to_string();
        assert!(words.contains("--stub-wasi (componentize-py, componentize-qjs)"), "{words}");
        assert!(words.contains(r#"wasi = "deterministic""#), "{words}");
        assert!(runtime.admit(&bytes, &WITH_WASI).is_ok(), "{name}");
    }
}

/// A developer has no policy yet, only a file.
#[test]
fn a_developer_tries_an_interpreter_by_saying_that_it_is_one() {
    if built("javascript").is_none() {
        return;
    }
    let file = |name: &str| {
        artefacts("ML_CONNECTOR_PLUGINS", "plugins/components").join(format!("{name}.component.wasm"))
    };
    let input = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/crates/kit/template/input.json");
    let run = |name: &str, flags: &[&str]| {
        let mut command = Command::new(binary("ml-connector"));
        command.args(["mapper", "run"]).arg(file(name)).arg(input).args(flags);
        let output = command.output().expect("starts");
        let words =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), words)
    };
    let (mapped, words) = run("javascript", &[]);
    assert!(!mapped && words.contains("MAP-SIZE") && words.contains("--class interpreter"), "{words}");
    let (mapped, words) = run("javascript-wasi", &["--class", "interpreter"]);
    assert!(!mapped && words.contains("MAP-IMPORT"), "{words}");
    for (name, flags) in [
        ("javascript", &["--class", "interpreter"][..]),
        ("javascript-wasi", &["--class", "interpreter", "--wasi", "deterministic"]),
    ] {
        let (mapped, words) = run(name, flags);
        assert!(mapped && words.contains("01-110-41000"), "{name}: {words}");
    }
}
