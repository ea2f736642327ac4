//! A WASI 0.2 with nothing behind it, for tenants whose policy says `wasi = "deterministic"`.
//!
//! Compilers link parts of WASI into what never uses them. Here a component that imports them runs, and stays what a
//! mapper has to be, a function of its input: clocks stand at the batch's time, random numbers follow from the input's
//! hash, there are no environment, arguments, directories or input, and what it prints goes to the batch's log. What is
//! not served here, files and sockets above all, traps under its name when it is called.
//!
//! It is written out here and not taken from wasmtime-wasi: that one brings an asynchronous runtime for files, sockets
//! and clocks that would all have to be closed again.

use sha2::{Digest as _, Sha256};
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{Engine, StoreContextMut};

use crate::host::{self, CallState};

/// What a call's WASI answers with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed {
    /// The batch's time in milliseconds since 1970: that of its latest record.
    pub(crate) now: i64,
    /// SHA-256 of the input.
    pub(crate) input: [u8; 32],
}

/// The place in a call's stream of random bytes.
#[derive(Debug)]
pub(crate) struct State {
    seed: Seed,
    block: u64,
    /// What was printed since the last line end.
    line: Vec<u8>,
}

impl State {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, block: 0, line: Vec::new() }
    }

    /// The next bytes: SHA-256 over the seed and a counter.
    fn random(&mut self, bytes: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(bytes + 32);
        while all.len() < bytes {
            let block = Sha256::new().chain_update(self.seed.input).chain_update(self.block.to_le_bytes());
            all.extend_from_slice(&block.finalize());
            self.block += 1;
        }
        all.truncate(bytes);
        all
    }

    /// Adds what was printed; gives the lines that are whole.
    fn print(&mut self, bytes: &[u8], line_bytes_max: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
            }
            if *byte == b'\n' || self.line.len() > line_bytes_max {
                let line = std::mem::take(&mut self.line);
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
        lines
    }

    /// What was printed without a line end.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

/// The most random bytes that one call gives: a mapper needs a hash map's seed.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Bytes that a stream takes at once.
const WRITE_BYTES: u64 = 4 << 10;

struct Stream;
struct Input;
struct IoError;
struct Terminal;
struct Descriptor;
struct Pollable;

#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "the contract's case; nothing here fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// What a function of WASI costs before its bytes.
const CALL_FUEL: u64 = 1_000;

type Store<'a> = StoreContextMut<'a, CallState>;

fn state<'a>(store: &'a mut Store<'_>) -> wasmtime::Result<&'a mut State> {
    let state = store.data_mut().wasi.as_mut();
    state.ok_or_else(|| wasmtime::Error::msg("this mapper was loaded without WASI"))
}

/// Adds what a component imports of WASI to a linker: each interface under the version that it asks for.
///
/// # Errors
/// The linker refuses a name.
pub(crate) fn link(
    linker: &mut Linker<CallState>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    let ty = component.component_type();
    for (name, _) in ty.imports(engine) {
        let Some((interface, _)) = name.strip_prefix("wasi:").and_then(|name| name.split_once('@')) else {
            continue;
        };
        let mut instance = linker.instance(name)?;
        resources(&mut instance)?;
        match interface {
            "clocks/wall-clock" | "clocks/monotonic-clock" => clocks(&mut instance, interface)?,
            "random/random" | "random/insecure" | "random/insecure-seed" => random(&mut instance, interface)?,
            "cli/environment" => environment(&mut instance)?,
            "cli/stdin" => {
                instance.func_wrap("get-stdin", |_, ()| Ok((Resource::<Input>::new_own(0),)))?;
            }
            "cli/stdout" => output(&mut instance, "get-stdout")?,
            "cli/stderr" => output(&mut instance, "get-stderr")?,
            "cli/terminal-stdin" => no_terminal(&mut instance, "get-terminal-stdin")?,
            "cli/terminal-stdout" => no_terminal(&mut instance, "get-terminal-stdout")?,
            "cli/terminal-stderr" => no_terminal(&mut instance, "get-terminal-stderr")?,
            "io/streams" => streams(&mut instance)?,
            "filesystem/preopens" => instance
                .func_wrap("get-directories", |_, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))?,
            _ => {}
        }
    }
    linker.define_unknown_imports_as_traps(component)
}

/// Defines the resources that this module hands out, in each interface: one that uses another's resource imports it
/// under its own name, and both have to be the same.
fn resources(instance: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    for (name, ty) in [
        ("error", ResourceType::host::<IoError>()),
        ("pollable", ResourceType::host::<Pollable>()),
        ("input-stream", ResourceType::host::<Input>()),
        ("output-stream", ResourceType::host::<Stream>()),
        ("terminal-input", ResourceType::host::<Terminal>()),
        ("terminal-output", ResourceType::host::<Terminal>()),
        ("descriptor", ResourceType::host::<Descriptor>()),
    ] {
        instance.resource(name, ty, |_, _| Ok(()))?;
    }
    Ok(())
}

fn clocks(instance: &mut LinkerInstance<'_, CallState>, interface: &str) -> wasmtime::Result<()> {
    if interface == "clocks/wall-clock" {
        instance.func_wrap("now", |mut store: Store<'_>, ()| {
            host::enter(&mut store, CALL_FUEL)?;
            let now = state(&mut store)?.seed.now.max(0).unsigned_abs();
            let nanoseconds = u32::try_from(now % 1_000).unwrap_or(0) * 1_000_000;
            Ok((Datetime { seconds: now / 1_000, nanoseconds },))
        })?;
        return instance
            .func_wrap("resolution", |_, ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },)));
    }
    instance.func_wrap("now", |mut store: Store<'_>, ()| {
        host::enter(&mut store, CALL_FUEL)?;
        Ok((state(&mut store)?.seed.now.max(0).unsigned_abs().saturating_mul(1_000_000),))
    })?;
    instance.func_wrap("resolution", |_, ()| Ok((1_000_000_u64,)))
}

fn random(instance: &mut LinkerInstance<'_, CallState>, interface: &str) -> wasmtime::Result<()> {
    fn word(store: &mut Store<'_>) -> wasmtime::Result<u64> {
        host::enter(store, CALL_FUEL)?;
        let bytes = state(store)?.random(8);
        Ok(bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)))
    }
    let (bytes, one) = match interface {
        "random/random" => ("get-random-bytes", "get-random-u64"),
        "random/insecure" => ("get-insecure-random-bytes", "get-insecure-random-u64"),
        _ => {
            return instance.func_wrap("insecure-seed", |mut store: Store<'_>, ()| {
                Ok(((word(&mut store)?, word(&mut store)?),))
            });
        }
    };
    instance.func_wrap(bytes, |mut store: Store<'_>, (count,): (u64,)| {
        host::enter(&mut store, CALL_FUEL.saturating_add(count))?;
        if count > RANDOM_BYTES_MAX {
            return Err(wasmtime::Error::msg("it asked for more than 64 KiB of random bytes"));
        }
        Ok((state(&mut store)?.random(usize::try_from(count)?),))
    })?;
    instance.func_wrap(one, |mut store: Store<'_>, ()| Ok((word(&mut store)?,)))
}

fn environment(instance: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", |_, ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_, ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_, ()| Ok((None::<String>,)))
}

fn output(instance: &mut LinkerInstance<'_, CallState>, name: &str) -> wasmtime::Result<()> {
    instance.func_wrap(name, |_, ()| Ok((Resource::<Stream>::new_own(0),)))
}

fn no_terminal(instance: &mut LinkerInstance<'_, CallState>, name: &str) -> wasmtime::Result<()> {
    instance.func_wrap(name, |_, ()| Ok((None::<Resource<Terminal>>,)))
}

fn streams(instance: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    type Written = Result<(), StreamError>;
    type Read = Result<Vec<u8>, StreamError>;
    instance.func_wrap("[method]output-stream.check-write", |_, _: (Resource<Stream>,)| {
        Ok((Ok::<u64, StreamError>(WRITE_BYTES),))
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        instance.func_wrap(&name, |mut store: Store<'_>, (_, bytes): (Resource<Stream>, Vec<u8>)| {
            print(&mut store, &bytes)?;
            Ok((Written::Ok(()),))
        })?;
    }
    for name in ["flush", "blocking-flush"] {
        let name = format!("[method]output-stream.{name}");
        instance.func_wrap(&name, |_, _: (Resource<Stream>,)| Ok((Written::Ok(()),)))?;
    }
    for name in ["read", "blocking-read"] {
        let name = format!("[method]input-stream.{name}");
        instance.func_wrap(&name, |_, _: (Resource<Input>, u64)| Ok((Read::Err(StreamError::Closed),)))?;
    }
    Ok(())
}

/// Takes what a guest prints into the log.
fn print(store: &mut Store<'_>, bytes: &[u8]) -> wasmtime::Result<()> {
    let limits = store.data().limits;
    host::enter(store, CALL_FUEL.saturating_add(bytes.len() as u64))?;
    let lines = state(store)?.print(bytes, limits.log_line_bytes_max);
    for line in lines {
        // A line costs what a line of the log costs.
        host::pay(store, limits.log_call_fuel)?;
        store.data_mut().keep("print", &line);
    }
    Ok(())
}
