//! The way of an upload: admitted, compiled in a process of its own, kept, introduced, tried.

use std::time::Duration;

use ml_connector_mapper::compile::compile_in_child;
use ml_connector_mapper::{
    Batch, CacheKey, CompileError, CompileLimits, CompiledCache, Compiler, Fixture, FixtureFault, Limits,
    MapperRuntime, Origin, Policy, Refusal, Validator,
};

use super::guests::{Guest, branch_tables, distinct_branches, live_locals, wrapped};
use super::{context, orders};
use crate::support::{TestFolder, binary, component};

fn validator(folder: &TestFolder) -> Validator {
    Validator {
        runtime: MapperRuntime::new(Limits::default()).expect("starts"),
        compiler: Compiler { program: binary("ml-connector"), limits: None },
        cache: CompiledCache::open(&folder.0, CacheKey::new([3; 32])).expect("opens"),
    }
}

fn fixture(settings: &[(&str, &str)]) -> Fixture {
    Fixture { name: "three orders".to_owned(), context: context(settings), batch: Batch::Orders(orders(3)) }
}

fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_upload_is_compiled_once_elsewhere_and_found_again() {
    let folder = TestFolder::new("upload");
    let validator = validator(&folder);
    let (bytes, given) = (component("standard"), settings(&[("tax.US", "exclusive")]));
    let fixtures = [fixture(&[("tax.US", "exclusive")])];
    let validate = || validator.validate(&bytes, &Policy::default(), &given, &[], &fixtures).expect("passes");
    let first = validate();
    assert_eq!(
        (first.mapper.origin(), first.mapper.description().name.as_str()),
        (Origin::Child, "standard")
    );
    let second = validate();
    assert_eq!(second.mapper.origin(), Origin::Cache);
    assert_eq!(first.fixtures[0].1.output, second.fixtures[0].1.output);
    assert_eq!(first.fixtures[0].1.fuel, second.fixtures[0].1.fuel);
    let here = validator.runtime.load(&bytes).expect("loads").replay(&fixtures[0]).expect("maps");
    assert_eq!((here.digest, here.fuel), (first.fixtures[0].1.digest.clone(), first.fixtures[0].1.fuel));
}

#[test]
fn a_compiled_form_that_was_tampered_with_is_made_again() {
    let folder = TestFolder::new("tampered");
    let validator = validator(&folder);
    let (bytes, policy) = (component("minimal"), Policy::default());
    let load = || {
        let Validator { runtime, compiler, cache } = &validator;
        runtime.load_cached(&bytes, &policy, compiler, cache).expect("loads").origin()
    };
    assert_eq!(load(), Origin::Child);
    let path =
        std::fs::read_dir(&folder.0).expect("a folder").next().expect("a file").expect("an entry").path();
    let mut file = std::fs::read(&path).expect("reads");
    let last = file.len() - 1;
    file[last] ^= 1;
    std::fs::write(&path, &file).expect("writes");
    assert_eq!(load(), Origin::ChildAfterForgery);
    assert_eq!(load(), Origin::Cache);
}

#[test]
fn an_upload_is_refused_by_the_first_step_that_fails() {
    let folder = TestFolder::new("refused");
    let validator = validator(&folder);
    let validate = |bytes: &[u8], given: &[(&str, &str)], fixtures: &[Fixture]| {
        validator
            .validate(bytes, &Policy::default(), &settings(given), &[], fixtures)
            .map(|_| ())
            .expect_err("refused")
    };
    let (standard, hostile) = (component("standard"), component("hostile"));
    let shape = validate(&wrapped(&branch_tables(10, 10_000)), &[], &[]);
    assert!(shape.to_string().starts_with("MAP-SHAPE"), "{shape}");
    let missing = validate(&standard, &[], &[]);
    assert!(missing.to_string().starts_with("MAP-SETTING-MISSING"), "{missing}");
    let unknown = validate(&standard, &[("tax.US", "exclusive"), ("colour", "red")], &[]);
    assert!(unknown.to_string().starts_with("MAP-SETTING-UNKNOWN"), "{unknown}");
    let failing = validate(&hostile, &[("attack", "panic")], &[fixture(&[("attack", "panic")])]);
    assert!(matches!(failing, Refusal::Fixture { fault: FixtureFault::Fault(_), .. }), "{failing}");
    assert!(failing.to_string().contains("on purpose"), "{failing}");
}

#[test]
fn the_compiling_process_has_limits_of_its_own() {
    let folder = TestFolder::new("compiling");
    let program = binary("ml-connector");
    let limits = CompileLimits {
        cpu: Duration::from_secs(1),
        memory_bytes: 4 << 30,
        wall: Duration::from_secs(60),
        output_bytes_max: 32 << 20,
    };
    let compile =
        |bytes: &[u8], limits: &CompileLimits| compile_in_child(&program, bytes, limits).map(|_| ());
    // What the shape limits keep away from it: 40,000 live locals.
    let slow = wrapped(&live_locals(40_000));
    assert_eq!(compile(&slow, &limits), Err(CompileError::Cpu(1)));
    let innocent = Guest::default().component();
    let patient = CompileLimits { cpu: Duration::from_secs(60), ..limits };
    // Less than the process has before it reads a byte: the next allocation fails, whatever it is for.
    let hungry = CompileLimits { memory_bytes: 16 << 20, ..patient };
    assert_eq!(compile(&innocent, &hungry), Err(CompileError::Memory(16)));
    let impatient = CompileLimits { wall: Duration::from_millis(200), ..patient };
    assert_eq!(compile(&slow, &impatient), Err(CompileError::Wall(0)));
    let small = CompileLimits { output_bytes_max: 1_000, ..patient };
    assert_eq!(compile(&innocent, &small), Err(CompileError::Size(0)));
    assert!(matches!(compile(b"nonsense", &patient), Err(CompileError::Refused(_))));
    assert_eq!(compile(&innocent, &patient), Ok(()));
    let killed = folder.0.join("killed");
    std::fs::write(&killed, "#!/bin/sh\nkill -9 $$\n").expect("a file");
    std::fs::set_permissions(&killed, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("is a program");
    assert_eq!(compile_in_child(&killed, &innocent, &patient), Err(CompileError::Killed));
    let nobody = compile_in_child("/nonexistent".as_ref(), &innocent, &patient);
    assert!(matches!(nobody, Err(CompileError::Child(_))));
}

/// Register allocation of a branch table grows with the square of its different targets: those that the shape limits
/// still let through must not reach the limits of the child.
#[test]
fn the_worst_branch_tables_that_are_admitted_compile_within_the_limits() {
    let worst = wrapped(&distinct_branches(41, 240));
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let refused = runtime.admit(&worst, &Policy::default()).expect_err("it is no mapper").to_string();
    assert!(refused.starts_with("MAP-EXPORT"), "its shape is within the limits: {refused}");
    let one_more = wrapped(&distinct_branches(42, 240));
    let refused = runtime.admit(&one_more, &Policy::default()).expect_err("too many").to_string();
    assert!(refused.starts_with("MAP-SHAPE") && refused.contains("targets of all br_tables"), "{refused}");
    let limits = CompileLimits::of(Policy::default().class);
    assert_eq!(compile_in_child(&binary("ml-connector"), &worst, &limits).map(|_| ()), Ok(()));
}
