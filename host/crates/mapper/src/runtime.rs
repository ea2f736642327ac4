//! The sandbox, and how a component gets into it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use ml_connector_domain::id::ContentHash;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker, WasmStr};

use crate::admission::{self, Admitted, LOG, LoadError, Policy, WasiPolicy};
use crate::cache::{self, CompiledCache, EngineKey, Entry, Found};
use crate::compile::{self, CompileLimits, Compiler};
use crate::engine::{self, Allocation, StartError, Ticker};
use crate::host::{CallState, write_log};
use crate::limits::{Class, Limits};
use crate::mapper::LoadedMapper;
use crate::shape::ShapeLimits;
use crate::{v0_1, wasi};

/// Calls that can be under way at once; who comes later waits.
const SLOTS: u32 = engine::POOL_SLOTS;

/// One engine for all mappers of the process. Cheap to clone.
#[derive(Clone)]
pub struct MapperRuntime {
    inner: Arc<Inner>,
    limits: Limits,
}

struct Inner {
    engine: Engine,
    key: EngineKey,
    linker: Linker<CallState>,
    slots: Slots,
    _ticker: Ticker,
}

/// How a mapper came to its compiled form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in this process.
    Process,
    /// Compiled in a child process.
    Child,
    /// Compiled in a child process, because what lay in the cache was not what this host had put there.
    ChildAfterForgery,
    /// Taken from the cache.
    Cache,
}

impl MapperRuntime {
    /// Makes the engine and proves that it stops a guest that spins.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(limits: Limits) -> Result<Self, StartError> {
        Self::with_allocation(limits, Allocation::Pooled)
    }

    /// As [`MapperRuntime::new`], with a choice of how instances get their memory.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn with_allocation(limits: Limits, allocation: Allocation) -> Result<Self, StartError> {
        let engine = engine::engine(limits.stack_bytes, allocation)?;
        let ticker = Ticker::start(&engine)?;
        engine::self_test(&engine, limits)?;
        let mut linker = Linker::new(&engine);
        link_log(&mut linker).map_err(|error| StartError::Engine(format!("{error:#}")))?;
        let key = cache::engine_key(&engine);
        let inner = Inner { engine, key, linker, slots: Slots::new(SLOTS), _ticker: ticker };
        Ok(Self { inner: Arc::new(inner), limits })
    }

    /// What a call of a class may use here.
    pub(crate) fn limits(&self, class: Class) -> Limits {
        let own = self.limits;
        match class {
            Class::Native => own,
            Class::Interpreter => {
                let larger = Limits::of(Class::Interpreter);
                Limits {
                    component_bytes_max: larger.component_bytes_max,
                    memory_bytes_max: larger.memory_bytes_max,
                    instances_max: larger.instances_max,
                    memories_max: larger.memories_max,
                    tables_max: larger.tables_max,
                    ..own
                }
            }
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Waits for a place in the pool.
    pub(crate) fn slot(&self) -> Slot<'_> {
        self.inner.slots.take()
    }

    /// Checks a component's size, shape, imports and exports, in time that is linear in its size. Nothing is compiled.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn admit(&self, bytes: &[u8], policy: &Policy) -> Result<Admitted, LoadError> {
        admission::admit(bytes, policy, &self.limits(policy.class))
    }

    /// Loads a component under the strictest policy. It is compiled in this process: for tests and a developer's own
    /// machine; a host that takes uploads uses [`MapperRuntime::load_cached`].
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(&self, bytes: &[u8]) -> Result<LoadedMapper, LoadError> {
        self.load_here(bytes, &Policy::default())
    }

    /// As [`MapperRuntime::load`], under a policy.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_here(&self, bytes: &[u8], policy: &Policy) -> Result<LoadedMapper, LoadError> {
        let admitted = self.admit(bytes, policy)?;
        let component = Component::from_binary(self.engine(), bytes)
            .map_err(|error| LoadError::NotAComponent(format!("{error:#}")))?;
        self.link(&component, admitted.digest, policy, Origin::Process)
    }

    /// Loads a component from its compiled form in the cache, or compiles it in a child process and puts it there.
    /// Blocks until that is done.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_cached(
        &self,
        bytes: &[u8],
        policy: &Policy,
        compiler: &Compiler,
        cache: &CompiledCache,
    ) -> Result<LoadedMapper, LoadError> {
        admission::check_size(bytes, policy, &self.limits(policy.class))?;
        let digest = ContentHash::of(bytes);
        // What lies in the cache was admitted under these rules; under others it is looked at again.
        let rules = format!("{policy:?} {:?}", ShapeLimits::of(policy.class));
        let entry = Entry { digest: &digest, engine: &self.inner.key, rules: &rules };
        let found = cache.get(&entry);
        if let Found::Compiled(compiled) = &found
            && let Ok(component) = self.deserialize(compiled)
        {
            return self.link(&component, digest, policy, Origin::Cache);
        }
        self.admit(bytes, policy)?;
        let limits = compiler.limits.unwrap_or_else(|| CompileLimits::of(policy.class));
        let compiled = compile::compile_in_child(&compiler.program, bytes, &limits)?;
        // A cache that cannot be written to costs time, not the mapper.
        let _not_kept = cache.put(&entry, &compiled);
        let component = self
            .deserialize(&compiled)
            .map_err(|error| compile::CompileError::Child(format!("its answer does not load: {error:#}")))?;
        let origin = if found == Found::Forged { Origin::ChildAfterForgery } else { Origin::Child };
        self.link(&component, digest, policy, origin)
    }

    #[expect(unsafe_code, reason = "a compiled form is code; where it comes from is said below")]
    fn deserialize(&self, compiled: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: the bytes come from this host's own child process, directly or by way of a file whose code proves
        // that this host wrote it.
        unsafe { Component::deserialize(self.engine(), compiled) }
    }

    fn pre(&self, component: &Component, policy: WasiPolicy) -> wasmtime::Result<InstancePre<CallState>> {
        if policy == WasiPolicy::Refuse {
            return self.inner.linker.instantiate_pre(component);
        }
        let mut linker = self.inner.linker.clone();
        wasi::link(&mut linker, self.engine(), component)?;
        linker.instantiate_pre(component)
    }

    fn link(
        &self,
        component: &Component,
        digest: ContentHash,
        policy: &Policy,
        origin: Origin,
    ) -> Result<LoadedMapper, LoadError> {
        let pre = self
            .pre(component, policy.wasi)
            .and_then(v0_1::WorldPre::new)
            .map_err(|error| LoadError::Export(format!("{error:#}")))?;
        LoadedMapper::introduce(self.clone(), pre, digest, self.limits(policy.class), *policy, origin)
            .map_err(LoadError::Describe)
    }
}

/// Links the one import that a mapper has.
fn link_log(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(LOG)?;
    interface.func_wrap("write", |store, (level, message): (v0_1::Level, WasmStr)| {
        write_log(store, v0_1::level_name(level), &message)
    })
}

/// Places in the pool. An exhausted pool would be an error of the engine; here it is a wait.
struct Slots {
    free: Mutex<u32>,
    freed: Condvar,
}

/// A place in the pool, given back when dropped.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    fn new(free: u32) -> Self {
        Self { free: Mutex::new(free), freed: Condvar::new() }
    }

    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
