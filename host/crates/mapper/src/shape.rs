//! What a component may look like, checked before anything compiles it.
//!
//! The engine promises to contain what runs, not to compile whatever it is given in good time: a component of 100 KB
//! can keep a compiler busy for a quarter of a minute. So its shape is measured first, in one pass over its bytes.

use std::fmt;

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, FuncValidatorAllocations, Operator, Parser, Payload,
    TypeBounds, ValidPayload, Validator, WasmFeatures,
};

use crate::limits::Class;

/// The greatest shape that is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeLimits {
    /// Functions in all modules. Each costs 60 microseconds and 300 bytes of code even if it is empty: 100,000 took
    /// six seconds and 600 MiB. CPython has about 12,000.
    pub functions: usize,
    /// Bytes of one function's body: register allocation is worse than linear in it.
    pub body_bytes: usize,
    /// Locals of one function. 40,000 that are all alive took sixteen seconds.
    pub locals: u32,
    /// Values on one function's operand stack: the same attack without locals.
    pub stack_values: u32,
    /// Blocks within blocks.
    pub nesting: u32,
    /// Targets of one `br_table`: the time for it grows with their square, 10,000 take more than a second.
    pub branch_targets: u32,
    /// Targets of all `br_table`s.
    pub branch_targets_in_all: u32,
    /// Types in all modules and components: each is checked against others.
    pub types: u32,
    /// Parameters and results of one core function type.
    pub signature: usize,
    /// Globals in all modules.
    pub globals: u32,
    /// Memories in all modules: the pool has one for each call.
    pub memories: u32,
    /// Tables in all modules.
    pub tables: u32,
    /// Bytes that all memories have at the start: what a call may have at its end.
    pub memory_bytes: u64,
    /// Elements that all tables have at the start.
    pub table_elements: u64,
    /// Element segments in all modules.
    pub element_segments: u32,
    /// Functions that element segments name.
    pub elements: u32,
    /// Data segments in all modules: an image is made of them.
    pub data_segments: u32,
    /// Imports of all modules and components.
    pub imports: u32,
    /// Exports of all modules and components.
    pub exports: u32,
    /// Modules and components that a component is made of.
    pub parts: u32,
    /// Instances that a component makes of them.
    pub instances: u32,
    /// Custom sections, which are kept with the component for ever and never run.
    pub custom_sections: u32,
    /// Their bytes.
    pub custom_bytes: usize,
}

impl ShapeLimits {
    /// What a compiler makes of a mapper: the standard mapper has 250 functions, the longest of 9 KiB.
    pub const NATIVE: Self = Self {
        functions: 10_000,
        body_bytes: 128 << 10,
        locals: 2_000,
        stack_values: 2_000,
        nesting: 250,
        branch_targets: 1_000,
        branch_targets_in_all: 10_000,
        types: 2_000,
        signature: 64,
        globals: 1_000,
        memories: 1,
        tables: 4,
        memory_bytes: 64 << 20,
        table_elements: 20_000,
        element_segments: 100,
        elements: 10_000,
        data_segments: 1_000,
        imports: 500,
        exports: 500,
        parts: 10,
        instances: 40,
        custom_sections: 50,
        custom_bytes: 512 << 10,
    };

    /// What comes with a whole interpreter: CPython has 1,019 exports and a `br_table` of 3,202 targets.
    pub const INTERPRETER: Self = Self {
        functions: 30_000,
        body_bytes: 512 << 10,
        locals: 5_000,
        stack_values: 5_000,
        nesting: 2_000,
        branch_targets: 4_000,
        branch_targets_in_all: 100_000,
        types: 20_000,
        globals: 20_000,
        memories: 4,
        tables: 16,
        memory_bytes: 256 << 20,
        element_segments: 2_000,
        elements: 60_000,
        data_segments: 10_000,
        imports: 20_000,
        exports: 20_000,
        parts: 100,
        instances: 500,
        custom_sections: 500,
        custom_bytes: 8 << 20,
        ..Self::NATIVE
    };

    /// Those of a class.
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Native => Self::NATIVE,
            Class::Interpreter => Self::INTERPRETER,
        }
    }
}

/// A measure that is too great.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooGreat {
    /// What was measured: a field of [`ShapeLimits`] in words.
    pub what: &'static str,
    /// What it is, or as far as was counted.
    pub found: u64,
    /// What it may be.
    pub max: u64,
    /// Where in the file the count passed the limit, in bytes.
    pub offset: usize,
}

impl fmt::Display for TooGreat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, max, offset } = self;
        write!(f, "{found} {what} at byte {offset}, {max} are allowed")
    }
}

/// Why a component is not measured to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misshapen {
    /// It is no component, or not a valid one under the proposals that we admit.
    Invalid(String),
    /// A core module: what comes before the component.
    CoreModule,
    TooGreat(TooGreat),
}

impl From<wasmparser::BinaryReaderError> for Misshapen {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// What a component asks for and offers, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Surface {
    pub(crate) imports: Vec<String>,
    /// Functions only.
    pub(crate) exports: Vec<String>,
}

/// The proposals that a mapper may use: what [`crate::engine`] compiles, and no more.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST | WasmFeatures::COMPONENT_MODEL
}

/// Validates a component and measures it on the way.
///
/// # Errors
/// See [`Misshapen`]; nothing after the place where a limit is passed is looked at.
pub(crate) fn measure(bytes: &[u8], limits: &ShapeLimits) -> Result<Surface, Misshapen> {
    let mut validator = Validator::new_with_features(features());
    let mut measure = Measure { limits, counted: Counted::default(), depth: 0, surface: Surface::default() };
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        // Counted before it is validated: validation of what is too great is work, too.
        measure.payload(&payload)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            let mut function = function.into_validator(allocations);
            measure.body(&mut function, &body)?;
            allocations = function.into_allocations();
        }
    }
    Ok(measure.surface)
}

#[derive(Default)]
struct Counted {
    functions: u64,
    branch_targets: u64,
    types: u64,
    globals: u64,
    memories: u64,
    tables: u64,
    memory_bytes: u64,
    table_elements: u64,
    element_segments: u64,
    elements: u64,
    data_segments: u64,
    imports: u64,
    exports: u64,
    parts: u64,
    instances: u64,
    custom_sections: u64,
    custom_bytes: u64,
}

struct Measure<'a> {
    limits: &'a ShapeLimits,
    counted: Counted,
    depth: u32,
    surface: Surface,
}

/// Adds to a count and refuses what passes its limit.
fn add(
    count: &mut u64,
    more: impl Into<u64>,
    max: impl Into<u64>,
    what: &'static str,
    offset: usize,
) -> Result<(), Misshapen> {
    *count = count.saturating_add(more.into());
    at_most(*count, max, what, offset)
}

fn at_most(found: u64, max: impl Into<u64>, what: &'static str, offset: usize) -> Result<(), Misshapen> {
    let max = max.into();
    if found > max { Err(Misshapen::TooGreat(TooGreat { what, found, max, offset })) } else { Ok(()) }
}

impl Measure<'_> {
    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), Misshapen> {
        let Self { limits, counted, .. } = self;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if self.depth == 0 => {
                return Err(Misshapen::CoreModule);
            }
            Payload::Version { range, .. } => {
                self.depth += 1;
                add(&mut counted.parts, 1_u32, limits.parts, "modules and components", range.start)?;
            }
            Payload::End(_) => self.depth -= 1,
            Payload::TypeSection(section) => {
                let at = section.range().start;
                add(&mut counted.types, section.count(), limits.types, "types", at)?;
                signatures(section.clone(), limits, at)?;
            }
            Payload::CoreTypeSection(section) => {
                add(&mut counted.types, section.count(), limits.types, "types", section.range().start)?;
            }
            Payload::ComponentTypeSection(section) => {
                add(&mut counted.types, section.count(), limits.types, "types", section.range().start)?;
            }
            Payload::ImportSection(section) => {
                add(&mut counted.imports, section.count(), limits.imports, "imports", section.range().start)?;
            }
            Payload::FunctionSection(section) => {
                let (at, max) = (section.range().start, limits.functions as u64);
                add(&mut counted.functions, section.count(), max, "functions", at)?;
            }
            Payload::TableSection(section) => self.tables(section.clone())?,
            Payload::MemorySection(section) => self.memories(section.clone())?,
            Payload::GlobalSection(section) => {
                add(&mut counted.globals, section.count(), limits.globals, "globals", section.range().start)?;
            }
            Payload::ExportSection(section) => {
                add(&mut counted.exports, section.count(), limits.exports, "exports", section.range().start)?;
            }
            Payload::ElementSection(section) => self.elements(section.clone())?,
            Payload::DataSection(section) => {
                let at = section.range().start;
                add(&mut counted.data_segments, section.count(), limits.data_segments, "data segments", at)?;
            }
            Payload::InstanceSection(section) => {
                let at = section.range().start;
                add(&mut counted.instances, section.count(), limits.instances, "instances", at)?;
            }
            Payload::ComponentInstanceSection(section) => {
                let at = section.range().start;
                add(&mut counted.instances, section.count(), limits.instances, "instances", at)?;
            }
            Payload::ComponentImportSection(section) => self.component_imports(section.clone())?,
            Payload::ComponentExportSection(section) => self.component_exports(section.clone())?,
            Payload::CustomSection(section) => {
                let (at, bytes) = (section.range().start, section.data().len() as u64);
                add(&mut counted.custom_sections, 1_u32, limits.custom_sections, "custom sections", at)?;
                let max = limits.custom_bytes as u64;
                add(&mut counted.custom_bytes, bytes, max, "bytes of custom sections", at)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<(), Misshapen> {
        let Self { limits, counted, .. } = self;
        let at = section.range().start;
        add(&mut counted.tables, section.count(), limits.tables, "tables", at)?;
        for table in section {
            let (elements, max) = (table?.ty.initial, limits.table_elements);
            add(&mut counted.table_elements, elements, max, "elements of all tables", at)?;
        }
        Ok(())
    }

    fn memories(&mut self, section: wasmparser::MemorySectionReader<'_>) -> Result<(), Misshapen> {
        const PAGE: u64 = 64 << 10;
        let Self { limits, counted, .. } = self;
        let at = section.range().start;
        add(&mut counted.memories, section.count(), limits.memories, "memories", at)?;
        for memory in section {
            let (bytes, max) = (memory?.initial.saturating_mul(PAGE), limits.memory_bytes);
            add(&mut counted.memory_bytes, bytes, max, "bytes of all memories", at)?;
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), Misshapen> {
        let Self { limits, counted, .. } = self;
        let at = section.range().start;
        let segments = &mut counted.element_segments;
        add(segments, section.count(), limits.element_segments, "element segments", at)?;
        for segment in section {
            let count = match segment?.items {
                wasmparser::ElementItems::Functions(items) => items.count(),
                wasmparser::ElementItems::Expressions(_, items) => items.count(),
            };
            add(&mut counted.elements, count, limits.elements, "elements", at)?;
        }
        Ok(())
    }

    fn component_imports(
        &mut self,
        section: wasmparser::ComponentImportSectionReader<'_>,
    ) -> Result<(), Misshapen> {
        let at = section.range().start;
        add(&mut self.counted.imports, section.count(), self.limits.imports, "imports", at)?;
        if self.depth == 1 {
            for import in section {
                let import = import?;
                // A name for a type that is written out beside it: nothing is asked for.
                if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                    self.surface.imports.push(import.name.name.to_owned());
                }
            }
        }
        Ok(())
    }

    fn component_exports(
        &mut self,
        section: wasmparser::ComponentExportSectionReader<'_>,
    ) -> Result<(), Misshapen> {
        let at = section.range().start;
        add(&mut self.counted.exports, section.count(), self.limits.exports, "exports", at)?;
        if self.depth == 1 {
            for export in section {
                let export = export?;
                if export.kind == ComponentExternalKind::Func {
                    self.surface.exports.push(export.name.name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Validates a body, operator by operator, and stops where it grows too great.
    fn body<T: wasmparser::WasmModuleResources>(
        &mut self,
        function: &mut wasmparser::FuncValidator<T>,
        body: &wasmparser::FunctionBody<'_>,
    ) -> Result<(), Misshapen> {
        let (limits, at) = (self.limits, body.range().start);
        at_most(body.range().len() as u64, limits.body_bytes as u64, "bytes of one function", at)?;
        let mut locals: u64 = 0;
        for group in body.get_locals_reader()? {
            let (count, _) = group?;
            add(&mut locals, count, limits.locals, "locals of one function", at)?;
        }
        let mut reader = body.get_binary_reader();
        function.read_locals(&mut reader)?;
        let mut operators = wasmparser::OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            if let Operator::BrTable { targets } = &operator {
                let count = targets.len();
                at_most(u64::from(count), limits.branch_targets, "targets of one br_table", offset)?;
                let (all, max) = (&mut self.counted.branch_targets, limits.branch_targets_in_all);
                add(all, count, max, "targets of all br_tables", offset)?;
            }
            function.op(offset, &operator)?;
            let height = u64::from(function.operand_stack_height());
            at_most(height, limits.stack_values, "values on one function's stack", offset)?;
            let nesting = u64::from(function.control_stack_height());
            at_most(nesting, limits.nesting, "blocks within blocks", offset)?;
        }
        operators.finish()?;
        Ok(())
    }
}

fn signatures(
    section: wasmparser::TypeSectionReader<'_>,
    limits: &ShapeLimits,
    at: usize,
) -> Result<(), Misshapen> {
    for group in section {
        for ty in group?.into_types() {
            if let wasmparser::CompositeInnerType::Func(ty) = &ty.composite_type.inner {
                let values = (ty.params().len() + ty.results().len()) as u64;
                at_most(values, limits.signature as u64, "parameters and results of one function", at)?;
            }
        }
    }
    Ok(())
}
