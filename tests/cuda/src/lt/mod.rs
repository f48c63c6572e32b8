//! The calls of cuBLASLt that the GPU backend makes.
//!
//! Stricter than the library: misuse is reported and loses the device, as a fault of a kernel does, so that no caller can
//! take it for a product that the library lacks. A product must be on a stream that something else ran on, and its memory
//! where an allocation is.
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

pub mod product;

use crate::driver::{self, LAUNCH_FAILED};
use crate::machine::traffic::Traffic;
use crate::memory::memory;
use crate::options::options;
use product::{Algorithm, Description, INVALID, Layout, Memory, Product, Refusal, UNSUPPORTED};
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Status = c_int;
const SUCCESS: Status = 0;
const EXECUTION_FAILED: Status = 13;

/// The version of the library.
const VERSION: usize = 130_500;

/// A handle: no address, so that what is destroyed is never mistaken for what is alive.
type Id = usize;

/// What a handle stands for.
#[derive(Clone, Debug)]
enum Object {
    Library,
    Description(Description),
    Layout(Layout),
    Preference { workspace: u64, alignment: [u32; 4] },
}

/// The objects that are alive.
struct Objects {
    all: BTreeMap<Id, Object>,
    last: Id,
}

fn objects() -> MutexGuard<'static, Objects> {
    static OBJECTS: Mutex<Objects> = Mutex::new(Objects { all: BTreeMap::new(), last: 0 });
    OBJECTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create(to: *mut Id, object: Object) -> Status {
    let mut objects = objects();
    objects.last += 64;
    let id = objects.last;
    objects.all.insert(id, object);
    // SAFETY: callers pass a pointer that is valid for writes, as the library requires.
    unsafe { *to = id };
    SUCCESS
}

fn destroy(id: Id, call: &str) -> Status {
    match objects().all.remove(&id) {
        Some(_) => SUCCESS,
        None => answer(call, invalid("what is to be destroyed is not alive")),
    }
}

fn invalid<T>(what: &str) -> Result<T, Refusal> {
    Err(Refusal { code: INVALID, what: what.to_owned() })
}

/// The code of a result. Misuse is reported and loses the device.
fn answer(call: &str, result: Result<(), Refusal>) -> Status {
    let Err(Refusal { code, what }) = result else { return SUCCESS };
    if code != UNSUPPORTED {
        driver::lose(LAUNCH_FAILED, &format!("{call}: {what}"));
    } else if options().log {
        eprintln!("cuda: {call}: not supported: {what}");
    }
    code
}

impl Objects {
    fn library(&self, id: Id) -> Result<(), Refusal> {
        match self.all.get(&id) {
            Some(Object::Library) => Ok(()),
            _ => invalid("the handle is not alive"),
        }
    }

    fn layout(&self, id: Id) -> Result<Layout, Refusal> {
        match self.all.get(&id) {
            Some(Object::Layout(layout)) => Ok(*layout),
            _ => invalid("a layout is not alive"),
        }
    }

    /// The product of a description and the layouts of A, B, C and D.
    fn product(&self, of: Id, layouts: [Id; 4]) -> Result<Product, Refusal> {
        let Some(Object::Description(of)) = self.all.get(&of).cloned() else {
            return invalid("the description is not alive");
        };
        let [left, right, sum, out] = layouts.map(|id| self.layout(id));
        Ok(Product { of, left: left?, right: right?, sum: sum?, out: out? })
    }
}

/// Reads an attribute of exactly this type.
unsafe fn value<T: Copy>(from: *const c_void, bytes: usize) -> Result<T, Refusal> {
    if bytes != size_of::<T>() || from.is_null() {
        return invalid("an attribute of another size");
    }
    // SAFETY: the caller passes an attribute of this size.
    Ok(unsafe { from.cast::<T>().read_unaligned() })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtCreate(to: *mut Id) -> Status {
    create(to, Object::Library)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtDestroy(id: Id) -> Status {
    destroy(id, "cublasLtDestroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtGetVersion() -> usize {
    VERSION
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulDescCreate(to: *mut Id, compute: u32, scale: u32) -> Status {
    create(to, Object::Description(Description::new(compute, scale)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulDescDestroy(id: Id) -> Status {
    destroy(id, "cublasLtMatmulDescDestroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulDescSetAttribute(
    id: Id,
    attribute: u32,
    from: *const c_void,
    bytes: usize,
) -> Status {
    // SAFETY: the caller passes an attribute of this size.
    let set = |of: &mut Description| unsafe {
        match attribute {
            3 | 4 => of.transposed[attribute as usize - 3] = value::<i32>(from, bytes)? == 1,
            7 => of.epilogue = value(from, bytes)?,
            8 => of.bias = value(from, bytes)?,
            10 => of.bias_step = value(from, bytes)?,
            11 => of.signs = value(from, bytes)?,
            12 => of.signs_ld = value(from, bytes)?,
            _ => return invalid(&format!("attribute {attribute}")),
        }
        Ok(())
    };
    let done = match objects().all.get_mut(&id) {
        Some(Object::Description(of)) => set(of),
        _ => invalid("the description is not alive"),
    };
    answer("cublasLtMatmulDescSetAttribute", done)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatrixLayoutCreate(
    to: *mut Id,
    kind: u32,
    rows: u64,
    cols: u64,
    ld: i64,
) -> Status {
    create(to, Object::Layout(Layout::new(kind, [rows, cols], ld)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatrixLayoutDestroy(id: Id) -> Status {
    destroy(id, "cublasLtMatrixLayoutDestroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatrixLayoutSetAttribute(
    id: Id,
    attribute: u32,
    from: *const c_void,
    bytes: usize,
) -> Status {
    // SAFETY: the caller passes an attribute of this size.
    let set = |layout: &mut Layout| unsafe {
        match attribute {
            5 => layout.count = value(from, bytes)?,
            6 => layout.step = value(from, bytes)?,
            _ => return invalid(&format!("attribute {attribute}")),
        }
        Ok(())
    };
    let done = match objects().all.get_mut(&id) {
        Some(Object::Layout(layout)) => set(layout),
        _ => invalid("a layout is not alive"),
    };
    answer("cublasLtMatrixLayoutSetAttribute", done)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulPreferenceCreate(to: *mut Id) -> Status {
    create(to, Object::Preference { workspace: 0, alignment: [256; 4] })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulPreferenceDestroy(id: Id) -> Status {
    destroy(id, "cublasLtMatmulPreferenceDestroy")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulPreferenceSetAttribute(
    id: Id,
    attribute: u32,
    from: *const c_void,
    bytes: usize,
) -> Status {
    let done = match (objects().all.get_mut(&id), attribute) {
        // SAFETY: the caller passes an attribute of this size.
        (Some(Object::Preference { workspace, .. }), 1) => {
            unsafe { value(from, bytes) }.map(|bytes: u64| *workspace = bytes)
        }
        (Some(Object::Preference { alignment, .. }), 5..=8) => {
            unsafe { value(from, bytes) }.map(|bytes| alignment[attribute as usize - 5] = bytes)
        }
        (Some(Object::Preference { .. }), _) => invalid(&format!("attribute {attribute}")),
        _ => invalid("the preference is not alive"),
    };
    answer("cublasLtMatmulPreferenceSetAttribute", done)
}

/// An algorithm as a caller keeps it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Algo([u64; 8]);

/// What begins an [`Algo`].
const MARK: u64 = 0x6132_6420_616c_676f;

impl From<Algorithm> for Algo {
    fn from(of: Algorithm) -> Self {
        let [a, b, c, d] = of.alignment.map(u64::from);
        Self([MARK, of.product, of.workspace, a, b, c, d, 0])
    }
}

impl Algo {
    fn read(self) -> Result<Algorithm, Refusal> {
        let [mark, product, workspace, a, b, c, d, _] = self.0;
        if mark != MARK {
            return invalid("an algorithm that was not chosen");
        }
        Ok(Algorithm { product, workspace, alignment: [a, b, c, d].map(|bytes| bytes as u32) })
    }
}

/// What is found for a product.
#[repr(C)]
pub struct Found {
    algo: Algo,
    workspace: usize,
    state: Status,
    waves: f32,
    reserved: [c_int; 4],
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulAlgoGetHeuristic(
    library: Id,
    of: Id,
    left: Id,
    right: Id,
    sum: Id,
    out: Id,
    preference: Id,
    asked: c_int,
    found: *mut Found,
    count: *mut c_int,
) -> Status {
    let objects = objects();
    let find = || {
        objects.library(library)?;
        let Some(&Object::Preference { workspace, alignment }) = objects.all.get(&preference)
        else {
            return invalid("the preference is not alive");
        };
        if asked < 1 {
            return invalid("no algorithm is asked for");
        }
        objects.product(of, [left, right, sum, out])?.algorithm(workspace, alignment)
    };
    let algorithm = find();
    // SAFETY: the caller passes room for what it asks for.
    let written = algorithm.map(|algorithm| unsafe {
        let workspace = algorithm.workspace as usize;
        let algo = algorithm.into();
        found.write(Found { algo, workspace, state: SUCCESS, waves: 1.0, reserved: [0; 4] });
        *count = 1;
    });
    answer("cublasLtMatmulAlgoGetHeuristic", written)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmul(
    library: Id,
    of: Id,
    alpha: *const f32,
    left: u64,
    left_layout: Id,
    right: u64,
    right_layout: Id,
    beta: *const f32,
    sum: u64,
    sum_layout: Id,
    out: u64,
    out_layout: Id,
    algo: *const Algo,
    workspace: u64,
    workspace_bytes: usize,
    stream: usize,
) -> Status {
    let Ok(number) = driver::begin_launch() else { return EXECUTION_FAILED };
    let workspace_bytes = workspace_bytes as u64;
    let memory_of = Memory { left, right, sum, out, workspace, workspace_bytes };
    let begun = std::time::Instant::now();
    let launch = || {
        let product = {
            let objects = objects();
            objects.library(library)?;
            objects.product(of, [left_layout, right_layout, sum_layout, out_layout])?
        };
        if !driver::is_used(stream) {
            return invalid("a stream that nothing else runs on");
        }
        // SAFETY: the caller passes factors of the type of the description, and an algorithm.
        let ([alpha, beta], algorithm) = unsafe { ([*alpha, *beta], (*algo).read()?) };
        let holds = |range: &std::ops::Range<u64>| {
            memory().holds(range.start, (range.end - range.start) as usize)
        };
        product.check_launch(&algorithm, &memory_of, beta, holds)?;
        if options().run {
            // SAFETY: the launch is checked, and all work is synchronous.
            unsafe { product.run(&memory_of, [alpha, beta]) };
        }
        Ok((product, beta))
    };
    let launched = launch();
    if let (Ok((product, beta)), true) = (&launched, options().log) {
        let Product { of, left, out, .. } = product;
        eprintln!(
            "cuda: launch {number} of cublasLtMatmul: {:?} x {}, type {}, sums {}, epilogue {}, beta {beta}, {:?}",
            product.dims(),
            out.count,
            left.kind,
            of.compute,
            of.epilogue,
            begun.elapsed()
        );
        if options().traffic {
            driver::report(number, Traffic::once(product.bytes(*beta)));
        }
    }
    answer("cublasLtMatmul", launched.map(|_| ()))
}
