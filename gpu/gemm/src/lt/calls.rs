//! Calls of cuBLASLt, with owners of what it allocates.

use crate::{Batch, Form, Precision, SIGNS};
use cudarc::cublaslt::{result, sys};
use std::ffi::c_void;
use sys::cublasLtMatmulDescAttributes_t as Attribute;
use sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
use sys::cublasLtMatrixLayoutAttribute_t as LayoutAttribute;

/// The functions that are called. A library that lacks one is not used.
const FUNCTIONS: [&str; 14] = [
    "cublasLtCreate",
    "cublasLtDestroy",
    "cublasLtGetVersion",
    "cublasLtMatmul",
    "cublasLtMatmulAlgoGetHeuristic",
    "cublasLtMatmulDescCreate",
    "cublasLtMatmulDescDestroy",
    "cublasLtMatmulDescSetAttribute",
    "cublasLtMatmulPreferenceCreate",
    "cublasLtMatmulPreferenceDestroy",
    "cublasLtMatmulPreferenceSetAttribute",
    "cublasLtMatrixLayoutCreate",
    "cublasLtMatrixLayoutDestroy",
    "cublasLtMatrixLayoutSetAttribute",
];

/// An address that is aligned as biases and signs are: one is needed where an algorithm is chosen, before there are any.
const ANY_ADDRESS: usize = 4096;

/// Loads the library: its version.
///
/// # Errors
///
/// There is none, or it lacks a function.
pub fn load() -> Result<String, String> {
    // SAFETY: loads the library, which allows that at any time, and calls nothing.
    if !unsafe { sys::is_culib_present() } {
        return Err("there is no cuBLASLt (libcublasLt)".to_owned());
    }
    let missing = |name: &&&str| {
        // SAFETY: as above; the type is that of any function, and it is not called.
        unsafe { sys::culib().get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_err()
    };
    if let Some(name) = FUNCTIONS.iter().find(missing) {
        return Err(format!("libcublasLt lacks {name}"));
    }
    // SAFETY: the function is there, and takes nothing.
    let version = unsafe { sys::cublasLtGetVersion() };
    Ok(format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100))
}

/// The library on one device.
pub struct Library(sys::cublasLtHandle_t);

// SAFETY: the library allows calls with one handle from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// The library on the device of the current context.
    pub fn new() -> Result<Self, result::CublasError> {
        result::create_handle().map(Self)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: created by `new`, and not used any more.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

/// The layout of a batch of matrices.
struct Layout(sys::cublasLtMatrixLayout_t);

impl Layout {
    /// `count` matrices of `rows` by `cols` numbers in column-major order.
    fn new(
        kind: sys::cudaDataType,
        [rows, cols]: [usize; 2],
        batch: Batch,
        count: usize,
    ) -> Result<Self, result::CublasError> {
        let layout = result::create_matrix_layout(kind, rows as u64, cols as u64, rows as i64);
        let layout = Self(layout?);
        if count > 1 {
            let step = if batch.count == 1 { 0 } else { batch.step as i64 };
            layout.set(LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count as i32)?;
            layout.set(LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step)?;
        }
        Ok(layout)
    }

    fn set<T>(&self, attribute: LayoutAttribute, value: T) -> Result<(), result::CublasError> {
        let from = (&raw const value).cast::<c_void>();
        // SAFETY: the layout is alive, and the value has the size that is given.
        unsafe { result::set_matrix_layout_attribute(self.0, attribute, from, size_of::<T>()) }
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: created by `new`, and not used any more.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

/// The description of a product: precision, transposed operands and epilogue.
struct Description(sys::cublasLtMatmulDesc_t);

impl Description {
    fn new(compute: sys::cublasComputeType_t) -> Result<Self, result::CublasError> {
        result::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F).map(Self)
    }

    fn set<T>(&self, attribute: Attribute, value: T) -> Result<(), result::CublasError> {
        let from = (&raw const value).cast::<c_void>();
        // SAFETY: the description is alive, and the value has the size that is given.
        unsafe { result::set_matmul_desc_attribute(self.0, attribute, from, size_of::<T>()) }
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: created by `new`, and not used any more.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

/// What an algorithm may use.
struct Preference(sys::cublasLtMatmulPreference_t);

impl Preference {
    fn new(workspace: usize) -> Result<Self, result::CublasError> {
        let preference = Self(result::create_matmul_pref()?);
        let (attribute, from) =
            (CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, (&raw const workspace).cast::<c_void>());
        // SAFETY: the preference is alive, and the value has the size that is given.
        unsafe {
            result::set_matmul_pref_attribute(preference.0, attribute, from, size_of::<usize>())?;
        }
        Ok(preference)
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: created by `new`, and not used any more.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}

/// What a plan depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub precision: Precision,
    pub form: Form,
    /// `m`, `n` and `k`.
    pub dims: [usize; 3],
    /// Of `a`, `b` and the result.
    pub batches: [Batch; 3],
    /// Whether the result, and what is added to it, are in the format of the operands.
    pub rounds: bool,
    /// Whether a matrix is added.
    pub adds: bool,
    /// The distance of the biases, or of the sums of rows, if there are any.
    pub bias: Option<usize>,
    pub relu: Option<Signs>,
    pub sums: bool,
}

/// What is done with the signs of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signs {
    Kept,
    Taken,
}

impl Key {
    /// The types of operands and sums.
    fn types(&self) -> (sys::cudaDataType, sys::cublasComputeType_t) {
        use sys::cublasComputeType_t::{CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
        use sys::cudaDataType_t::{CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F};
        match self.precision {
            Precision::F32 => (CUDA_R_32F, CUBLAS_COMPUTE_32F),
            Precision::Tf32 => (CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32),
            Precision::Bf16 => (CUDA_R_16BF, CUBLAS_COMPUTE_32F),
            Precision::F16 => (CUDA_R_16F, CUBLAS_COMPUTE_32F),
        }
    }

    fn epilogue(&self) -> sys::cublasLtEpilogue_t {
        use sys::cublasLtEpilogue_t::*;
        match (self.bias, self.relu) {
            // Of the right operand, which is `a`.
            _ if self.sums => CUBLASLT_EPILOGUE_BGRADB,
            (None, None) => CUBLASLT_EPILOGUE_DEFAULT,
            (None, Some(Signs::Kept)) => CUBLASLT_EPILOGUE_RELU_AUX,
            (Some(_), None) => CUBLASLT_EPILOGUE_BIAS,
            (Some(_), Some(Signs::Kept)) => CUBLASLT_EPILOGUE_RELU_AUX_BIAS,
            (_, Some(Signs::Taken)) => CUBLASLT_EPILOGUE_DRELU,
        }
    }
}

/// The device memory of a product.
pub struct Memory {
    pub a: u64,
    pub b: u64,
    /// What is added; the result where nothing is.
    pub sum: u64,
    /// The bias, or where the sums of rows are written.
    pub bias: Option<u64>,
    pub signs: Option<u64>,
    pub out: u64,
    pub workspace: u64,
}

/// A product that is ready to be launched.
///
/// The library's matrices are column-major: a row-major matrix is the transposed one there. So it computes the transposed
/// result, from the operands in reverse order.
pub struct Plan {
    product: Description,
    left: Layout,
    right: Layout,
    out: Layout,
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
    adds: bool,
}

// SAFETY: descriptions are plain memory. Once a plan is made, one thread alone changes it: that of the device.
unsafe impl Send for Plan {}
// SAFETY: as above.
unsafe impl Sync for Plan {}

impl Plan {
    /// The best algorithm for a product, with at most `workspace` bytes; all memory is aligned to 256 bytes.
    pub fn new(
        library: &Library,
        key: &Key,
        workspace: usize,
    ) -> Result<Self, result::CublasError> {
        let (kind, compute) = key.types();
        let ([m, n, k], count) = (key.dims, key.batches[2].count);
        let (left, right) = (key.form == Form::Nt, key.form == Form::Tn);
        let turned =
            |turns: bool, [rows, cols]: [usize; 2]| if turns { [cols, rows] } else { [rows, cols] };
        let left_layout = Layout::new(kind, turned(left, [n, k]), key.batches[1], count)?;
        let right_layout = Layout::new(kind, turned(right, [k, m]), key.batches[0], count)?;
        let result = if key.rounds { kind } else { sys::cudaDataType::CUDA_R_32F };
        let out = Layout::new(result, [n, m], key.batches[2], count)?;
        let product = Description::new(compute)?;
        product.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, i32::from(left))?;
        product.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, i32::from(right))?;
        product.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, key.epilogue())?;
        if let Some(step) = key.bias {
            product.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, ANY_ADDRESS)?;
            if count > 1 {
                product.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, step as i64)?;
            }
        }
        if key.relu.is_some() {
            let bits = n.next_multiple_of(SIGNS) as i64;
            product.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, ANY_ADDRESS)?;
            product.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, bits)?;
        }
        let preference = Preference::new(workspace)?;
        // SAFETY: everything that is passed is alive.
        let found = unsafe {
            result::get_matmul_algo_heuristic(
                library.0,
                product.0,
                left_layout.0,
                right_layout.0,
                out.0,
                out.0,
                preference.0,
            )?
        };
        Ok(Self {
            product,
            left: left_layout,
            right: right_layout,
            out,
            algorithm: found.algo,
            workspace: found.workspaceSize,
            adds: key.adds,
        })
    }

    /// Launches the product on a stream of the current context.
    ///
    /// # Safety
    ///
    /// `memory` holds what the key of the plan describes, and stays allocated until the stream has computed it.
    pub unsafe fn launch(
        &self,
        library: &Library,
        memory: &Memory,
        stream: usize,
    ) -> Result<(), result::CublasError> {
        if let Some(bias) = memory.bias {
            self.product.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias)?;
        }
        if let Some(signs) = memory.signs {
            self.product.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, signs)?;
        }
        let (alpha, beta) = (1.0f32, f32::from(u8::from(self.adds)));
        let at = |address: u64| address as *mut c_void;
        // SAFETY: descriptions and handle are alive; the caller vouches for memory and stream.
        unsafe {
            result::matmul(
                library.0,
                self.product.0,
                (&raw const alpha).cast(),
                (&raw const beta).cast(),
                at(memory.b),
                self.left.0,
                at(memory.a),
                self.right.0,
                at(memory.sum),
                self.out.0,
                at(memory.out),
                self.out.0,
                &raw const self.algorithm,
                at(memory.workspace),
                self.workspace,
                stream as sys::cudaStream_t,
            )
        }
    }
}
