//! Compiling in a process of its own, under limits that the kernel keeps.
//!
//! The host starts its own binary again with the subcommand [`CHILD_COMMAND`]; the component goes in by standard input,
//! the compiled form comes out by standard output. Whatever a component does to the compiler, it does it there: the
//! child has its share of processor time, memory and patience, no environment and a low priority, and takes nothing
//! with it when it ends.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::engine::{self, Allocation};
use crate::limits::{Class, Limits};

/// The hidden subcommand.
pub const CHILD_COMMAND: &str = "compile-mapper";

/// The child's exit code for a component that does not compile.
const REFUSED: u8 = 3;

/// What compiling may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all threads; rounded up to a second.
    pub cpu: Duration,
    /// Address space in bytes.
    pub memory_bytes: u64,
    /// Wall clock, for a machine that is busy with other things.
    pub wall: Duration,
    /// Size of the compiled form in bytes.
    pub output_bytes_max: usize,
}

impl CompileLimits {
    /// Those of a class. A Rust mapper takes 0.1 s and 14 MiB, Python's interpreter 10 s and 310 MiB.
    pub fn of(class: Class) -> Self {
        match class {
            Class::Native => Self {
                cpu: Duration::from_secs(15),
                memory_bytes: 1 << 30,
                wall: Duration::from_secs(45),
                output_bytes_max: 32 << 20,
            },
            Class::Interpreter => Self {
                cpu: Duration::from_secs(60),
                memory_bytes: 3 << 29,
                wall: Duration::from_secs(120),
                output_bytes_max: 128 << 20,
            },
        }
    }
}

/// Where the compiler is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// A binary that calls [`child_main`] when its first argument is [`CHILD_COMMAND`]: the host's own.
    pub program: PathBuf,
    /// What compiling may take, instead of what the component's class may.
    pub limits: Option<CompileLimits>,
}

/// Why there is no compiled form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler refuses it.
    #[error("MAP-COMPILE: the component does not compile: {0}")]
    Refused(String),
    /// It took too long.
    #[error(
        "MAP-COMPILE-TIME: compiling took more than {0} seconds of processor time: make its functions smaller"
    )]
    Cpu(u64),
    /// It took too much memory.
    #[error("MAP-COMPILE-MEMORY: compiling took more than {0} MiB: make the component smaller")]
    Memory(u64),
    /// It took too long by the clock.
    #[error(
        "MAP-COMPILE-WALL: compiling took more than {0} seconds: try again when the machine is less busy"
    )]
    Wall(u64),
    /// What came out is too large.
    #[error("MAP-COMPILE-SIZE: the compiled form has more than {0} MiB: make the component smaller")]
    Size(u64),
    /// Somebody killed the child.
    #[error(
        "MAP-COMPILE-KILLED: the compiling process was killed from outside, as the kernel does when the machine has no memory left: try again, and look into the system's log if it happens again"
    )]
    Killed,
    /// The child did not start, or ended in a way that it should not.
    #[error("MAP-COMPILE-CHILD: the compiling process failed: {0}")]
    Child(String),
}

/// Compiles a component in a child process. Blocks until it is done, at most for the wall clock's limit.
///
/// # Errors
/// See [`CompileError`].
pub fn compile_in_child(
    program: &Path,
    bytes: &[u8],
    limits: &CompileLimits,
) -> Result<Vec<u8>, CompileError> {
    let mut child = spawn(program, limits).map_err(|error| CompileError::Child(error.to_string()))?;
    let answer = converse(&mut child, bytes, limits);
    if answer.is_err() {
        // Nobody waits for it any more.
        let _ended = child.kill();
    }
    let status = child.wait().map_err(|error| CompileError::Child(error.to_string()))?;
    let Answer { compiled, words } = answer?;
    if compiled.len() > limits.output_bytes_max {
        return Err(CompileError::Size(limits.output_bytes_max as u64 >> 20));
    }
    judge(status, compiled, words, limits)
}

fn spawn(program: &Path, limits: &CompileLimits) -> io::Result<Child> {
    let cpu = limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0);
    Command::new(program)
        .arg(CHILD_COMMAND)
        .args([cpu.to_string(), limits.memory_bytes.to_string()])
        .env_clear()
        // Threads and arenas reserve address space, which is what is limited.
        .envs([("RAYON_NUM_THREADS", "2"), ("MALLOC_ARENA_MAX", "2")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

struct Answer {
    compiled: Vec<u8>,
    words: String,
}

/// Hands the component in and takes out what comes, until the child closes its outputs or the clock has run down.
fn converse(child: &mut Child, bytes: &[u8], limits: &CompileLimits) -> Result<Answer, CompileError> {
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Child("it has no pipes".to_owned()));
    };
    let (sender, receiver) = mpsc::channel();
    let component = bytes.to_vec();
    let most = limits.output_bytes_max as u64 + 1;
    // Not scoped: on a timeout they end by themselves once the child is killed.
    std::thread::spawn(move || input.write_all(&component));
    let words = std::thread::spawn(move || read_some(errors, 4 << 10));
    std::thread::spawn(move || sender.send(read_some(output, most)));
    match receiver.recv_timeout(limits.wall) {
        Ok(compiled) => {
            let words = words.join().unwrap_or_default();
            Ok(Answer { compiled, words: String::from_utf8_lossy(&words).trim().to_owned() })
        }
        Err(_) => Err(CompileError::Wall(limits.wall.as_secs())),
    }
}

fn read_some(from: impl Read, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _broken_off = from.take(most).read_to_end(&mut bytes);
    bytes
}

/// Says what the child's end means.
fn judge(
    status: ExitStatus,
    compiled: Vec<u8>,
    words: String,
    limits: &CompileLimits,
) -> Result<Vec<u8>, CompileError> {
    if status.success() && !compiled.is_empty() {
        return Ok(compiled);
    }
    // Whatever allocates first says so in its own words.
    let out_of_memory =
        ["memory allocation of", "out of memory", "Cannot allocate memory", "ThreadPoolBuildError"];
    if out_of_memory.iter().any(|text| words.contains(text)) {
        return Err(CompileError::Memory(limits.memory_bytes >> 20));
    }
    if status.code() == Some(i32::from(REFUSED)) {
        return Err(CompileError::Refused(words));
    }
    #[cfg(unix)]
    {
        use rustix::process::Signal;
        use std::os::unix::process::ExitStatusExt as _;
        // The kernel sends XCPU a second before it would kill for processor time: a KILL is somebody else's.
        if status.signal() == Some(Signal::XCPU.as_raw()) {
            return Err(CompileError::Cpu(limits.cpu.as_secs()));
        }
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Err(CompileError::Killed);
        }
    }
    Err(CompileError::Child(format!("{status}: {words}")))
}

/// What the child does: the host's binary calls it when its first argument is [`CHILD_COMMAND`], before it reads a
/// configuration, starts a thread or opens a file.
pub fn child_main() -> ExitCode {
    match child(&mut std::env::args().skip(2)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            let _nobody_listens = writeln!(io::stderr(), "{words}");
            ExitCode::from(REFUSED)
        }
    }
}

fn child(arguments: &mut impl Iterator<Item = String>) -> Result<(), String> {
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(cpu), Some(memory)) = (number(), number()) else {
        return Err(format!("{CHILD_COMMAND} is started by the host, not by people"));
    };
    confine(cpu, memory).map_err(|error| format!("the limits cannot be set: {error}"))?;
    let most = Limits::of(Class::Interpreter).component_bytes_max as u64;
    let bytes = read_some(io::stdin().lock(), most + 1);
    let engine = engine::engine(Limits::default().stack_bytes, Allocation::OnDemand)
        .map_err(|error| error.to_string())?;
    let compiled = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    io::stdout().lock().write_all(&compiled).map_err(|error| error.to_string())
}

#[cfg(unix)]
fn confine(cpu: u64, memory: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};
    let limit = |soft: u64, hard: u64| Rlimit { current: Some(soft), maximum: Some(hard) };
    setrlimit(Resource::Core, limit(0, 0))?;
    setrlimit(Resource::Fsize, limit(0, 0))?;
    setrlimit(Resource::As, limit(memory, memory))?;
    setrlimit(Resource::Cpu, limit(cpu, cpu + 1))?;
    // Who serves goes first.
    nice(10)?;
    Ok(())
}

#[cfg(not(unix))]
fn confine(_cpu: u64, _memory: u64) -> io::Result<()> {
    Ok(())
}
