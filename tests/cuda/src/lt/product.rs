//! What is checked of a product, and its computation.

use crate::float::{BF16, F16, Format, Rounding, TF32};
use crate::machine::traffic::Bytes;
use crate::options::options;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// The codes of the library.
pub const INVALID: i32 = 7;
pub const UNSUPPORTED: i32 = 15;

/// Types of numbers, and of sums.
pub const R_32F: u32 = 0;
pub const R_16F: u32 = 2;
pub const R_16BF: u32 = 14;
pub const COMPUTE_32F: u32 = 68;
pub const COMPUTE_TF32: u32 = 77;

/// Parts of an epilogue, which are added; without any it is 1.
pub const DEFAULT: u32 = 1;
pub const RELU: u32 = 2;
pub const BIAS: u32 = 4;
/// Writes the sums of the columns of the right operand where a bias would be read.
pub const BGRADB: u32 = 512;
/// ReLU keeps which results were positive, or its gradient takes that.
pub const AUX: u32 = 128;
pub const DRELU: u32 = 8 | AUX;
/// What else an epilogue may be.
const EPILOGUES: [u32; 8] =
    [DEFAULT, RELU, BIAS, RELU | BIAS, BGRADB, RELU | AUX, RELU | AUX | BIAS, DRELU];

/// Signs of a column are kept in a multiple of so many bits.
const SIGNS: i64 = 128;

/// Where a workspace must start.
const WORKSPACE_ALIGNMENT: u64 = 256;

/// Multiplications that are too few for several threads.
const FEW: usize = 1 << 20;

/// Why the library refuses.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: i32,
    pub what: String,
}

fn refuse<T>(code: i32, what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, what: what.into() })
}

/// An error unless something holds.
fn must(holds: bool, what: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { refuse(INVALID, what) }
}

/// The description of a product.
#[derive(Clone, Debug)]
pub struct Description {
    pub compute: u32,
    pub scale: u32,
    /// Whether the left and the right operand are transposed.
    pub transposed: [bool; 2],
    pub epilogue: u32,
    pub bias: u64,
    pub bias_step: i64,
    /// Bits of the results, and from the start of a column's to that of the next.
    pub signs: u64,
    pub signs_ld: i64,
}

impl Description {
    pub fn new(compute: u32, scale: u32) -> Self {
        let (transposed, epilogue) = ([false; 2], DEFAULT);
        let [bias, signs] = [0; 2];
        let [bias_step, signs_ld] = [0; 2];
        Self { compute, scale, transposed, epilogue, bias, bias_step, signs, signs_ld }
    }
}

/// Matrices in column-major order.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Layout {
    pub kind: u32,
    pub rows: u64,
    pub cols: u64,
    /// From the start of a column to that of the next.
    pub ld: i64,
    pub count: i32,
    pub step: i64,
}

impl Layout {
    pub fn new(kind: u32, [rows, cols]: [u64; 2], ld: i64) -> Self {
        Self { kind, rows, cols, ld, count: 1, step: 0 }
    }

    fn bytes(&self) -> u64 {
        if self.kind == R_32F { 4 } else { 2 }
    }

    /// Elements of one matrix, with the gaps between its columns.
    fn len(&self) -> u64 {
        (self.cols - 1) * self.ld as u64 + self.rows
    }

    /// The memory of the whole batch.
    fn range(&self, at: u64) -> Range<u64> {
        let last = (self.count as u64 - 1) * self.step as u64;
        at..at + (last + self.len()) * self.bytes()
    }

    fn check(&self, name: &str) -> Result<(), Refusal> {
        must(self.rows > 0 && self.cols > 0, &format!("{name} is empty"))?;
        must(self.ld >= self.rows as i64, &format!("{name}: a leading dimension below the rows"))?;
        must(self.count > 0 && self.step >= 0, &format!("{name}: its batch"))
    }

    /// The bytes of all elements. Matrices at one place count once.
    fn held(&self) -> u64 {
        let count = if self.step == 0 { 1 } else { self.count as u64 };
        count * self.rows * self.cols * self.bytes()
    }

    /// The value of an element.
    ///
    /// # Safety
    ///
    /// The caller has checked that the element is in memory that is alive, and its alignment.
    unsafe fn value(&self, at: u64, index: usize) -> f32 {
        // SAFETY: as above.
        unsafe {
            match self.kind {
                R_16BF => BF16.decode(u32::from(*(at as *const u16).add(index))) as f32,
                R_16F => F16.decode(u32::from(*(at as *const u16).add(index))) as f32,
                _ => *(at as *const f32).add(index),
            }
        }
    }

    /// Writes the value of an element, rounded to its type.
    ///
    /// # Safety
    ///
    /// That of `value`.
    unsafe fn put(&self, at: u64, index: usize, value: f32) {
        let rounded = |format: Format| format.encode(f64::from(value), Rounding::Nearest) as u16;
        // SAFETY: as above.
        unsafe {
            match self.kind {
                R_16BF => *(at as *mut u16).add(index) = rounded(BF16),
                R_16F => *(at as *mut u16).add(index) = rounded(F16),
                _ => *(at as *mut f32).add(index) = value,
            }
        }
    }

    /// The value of each element of a matrix of the batch, as `compute` takes it; column by column without gaps.
    fn values(&self, at: u64, number: usize, compute: u32) -> Vec<f32> {
        let start = number * self.step as usize;
        let index = |col: usize, row: usize| start + col * self.ld as usize + row;
        let all = (0..self.cols as usize)
            .flat_map(|col| (0..self.rows as usize).map(move |row| (col, row)));
        // SAFETY: the caller has checked that the memory of the batch is alive, and its alignment.
        let value = |(col, row)| single(unsafe { self.value(at, index(col, row)) }, compute);
        all.map(value).collect()
    }
}

/// A float as `compute` takes it: tf32 rounds ties away from zero.
fn single(x: f32, compute: u32) -> f32 {
    if compute == COMPUTE_TF32 {
        return f32::from_bits(TF32.encode(f64::from(x), Rounding::Away) << 13);
    }
    x
}

/// A product `out = f(alpha left right + beta sum + bias)`.
#[derive(Clone, Debug)]
pub struct Product {
    pub of: Description,
    pub left: Layout,
    pub right: Layout,
    pub sum: Layout,
    pub out: Layout,
}

/// What is chosen for a product: it computes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    pub product: u64,
    pub workspace: u64,
    /// Of left and right operand, sum and result, in bytes.
    pub alignment: [u32; 4],
}

/// The device memory of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub left: u64,
    pub right: u64,
    pub sum: u64,
    pub out: u64,
    pub workspace: u64,
    pub workspace_bytes: u64,
}

impl Product {
    /// Rows, columns and depth of the result.
    pub fn dims(&self) -> [u64; 3] {
        let depth = if self.of.transposed[0] { self.left.rows } else { self.left.cols };
        [self.out.rows, self.out.cols, depth]
    }

    /// The bytes of the operands, of a sum that is added (`beta` is not 0), and of the result, each once.
    pub fn bytes(&self, beta: f32) -> Bytes {
        let sum = if beta == 0.0 { 0 } else { self.sum.held() };
        Bytes { read: self.left.held() + self.right.held() + sum, written: self.out.held() }
    }

    /// Whether the library computes this.
    pub fn check(&self) -> Result<(), Refusal> {
        let all = [&self.left, &self.right, &self.sum, &self.out];
        for (layout, name) in all.into_iter().zip(["A", "B", "C", "D"]) {
            layout.check(name)?;
            must(layout.count == self.out.count, &format!("{name}: another number of matrices"))?;
        }
        self.check_types()?;
        let turned = |x: &Layout, turns| if turns { [x.cols, x.rows] } else { [x.rows, x.cols] };
        let left = turned(&self.left, self.of.transposed[0]);
        let right = turned(&self.right, self.of.transposed[1]);
        let [rows, cols] = [self.out.rows, self.out.cols];
        must(left[1] == right[0], "A and B do not fit")?;
        must([left[0], right[1]] == [rows, cols], "D is not of the size of A B")?;
        must([self.sum.rows, self.sum.cols] == [rows, cols], "C is not of the size of D")?;
        let apart = |x: &Layout| x.count == 1 || x.step as u64 >= x.len();
        must(apart(&self.out) && apart(&self.sum), "the matrices of C or D overlap")?;
        if !EPILOGUES.contains(&self.of.epilogue) {
            return refuse(UNSUPPORTED, format!("epilogue {}", self.of.epilogue));
        }
        if self.of.epilogue & AUX != 0 {
            must(self.of.signs != 0, "an epilogue with signs, and nowhere to keep them")?;
            must(self.of.signs.is_multiple_of(16), "signs that are not aligned")?;
            let ld = self.of.signs_ld;
            must(ld % SIGNS == 0 && ld >= rows as i64, "the leading dimension of the signs")?;
            must(self.out.count == 1, "signs of several matrices")?;
        }
        if self.has_bias() {
            must(self.of.bias != 0, "an epilogue with bias, and no bias")?;
            must(self.of.bias.is_multiple_of(16), "a bias that is not aligned")?;
        }
        Ok(())
    }

    /// Whether the epilogue reads or writes a bias.
    fn has_bias(&self) -> bool {
        self.of.epilogue & (BIAS | BGRADB) != 0
    }

    fn check_types(&self) -> Result<(), Refusal> {
        let kind = self.left.kind;
        if self.right.kind != kind || ![R_32F, R_16F, R_16BF].contains(&kind) {
            return refuse(UNSUPPORTED, format!("operands of type {kind} and {}", self.right.kind));
        }
        if self.sum.kind != self.out.kind || ![R_32F, kind].contains(&self.out.kind) {
            return refuse(UNSUPPORTED, "results that are neither f32 nor of the operands' type");
        }
        if self.of.epilogue == BGRADB && self.out.kind != R_32F {
            return refuse(UNSUPPORTED, "sums of columns that are not f32");
        }
        match (self.of.compute, self.of.scale) {
            (COMPUTE_32F, R_32F) => Ok(()),
            (COMPUTE_TF32, R_32F) if kind == R_32F => Ok(()),
            (compute, scale) => {
                refuse(UNSUPPORTED, format!("sums of type {compute}, scaled by {scale}"))
            }
        }
    }

    /// Tells products apart, whatever their memory.
    fn hash(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        let Description { compute, scale, transposed, epilogue, bias_step, signs_ld, .. } = self.of;
        (compute, scale, transposed, epilogue, bias_step, signs_ld).hash(&mut hash);
        [self.left, self.right, self.sum, self.out].hash(&mut hash);
        hash.finish()
    }

    /// The algorithm for this product, with at most so many bytes of workspace.
    pub fn algorithm(&self, workspace: u64, alignment: [u32; 4]) -> Result<Algorithm, Refusal> {
        self.check()?;
        if !options().products {
            return refuse(UNSUPPORTED, "as asked");
        }
        Ok(Algorithm { product: self.hash(), workspace: workspace.min(1 << 20), alignment })
    }

    /// Checks a launch. `holds` says whether an allocation holds a range of memory.
    pub fn check_launch(
        &self,
        algorithm: &Algorithm,
        memory: &Memory,
        beta: f32,
        holds: impl Fn(&Range<u64>) -> bool,
    ) -> Result<(), Refusal> {
        self.check()?;
        must(algorithm.product == self.hash(), "an algorithm of another product")?;
        let out = self.out.range(memory.out);
        let parts = [
            ("A", &self.left, memory.left),
            ("B", &self.right, memory.right),
            ("C", &self.sum, memory.sum),
            ("D", &self.out, memory.out),
        ];
        for ((name, layout, at), alignment) in parts.into_iter().zip(algorithm.alignment) {
            let (range, step) = (layout.range(at), layout.step as u64 * layout.bytes());
            let aligned = |at: u64| at.is_multiple_of(u64::from(alignment));
            if name == "C" && beta == 0.0 {
                continue;
            }
            must(
                aligned(at) && aligned(step),
                &format!("{name} is not aligned to {alignment} bytes"),
            )?;
            must(holds(&range), &format!("{name} is not in memory that is allocated"))?;
            let apart = range.end <= out.start || out.end <= range.start;
            let same = name == "D" || (name == "C" && range == out && layout.ld == self.out.ld);
            must(apart || same, &format!("{name} overlaps D"))?;
        }
        if self.has_bias() {
            let last = (self.out.count as u64 - 1) * self.of.bias_step as u64;
            let each = if self.of.epilogue == BGRADB { self.out.cols } else { self.out.rows };
            let range = self.of.bias..self.of.bias + self.out.bytes() * (last + each);
            must(holds(&range), "the bias is not in memory that is allocated")?;
        }
        if self.of.epilogue & AUX != 0 {
            let range = self.of.signs..self.of.signs + self.of.signs_ld as u64 / 8 * self.out.cols;
            must(holds(&range), "the signs are not in memory that is allocated")?;
        }
        must(memory.workspace_bytes >= algorithm.workspace, "a workspace that is too small")?;
        if memory.workspace_bytes > 0 {
            let range = memory.workspace..memory.workspace + memory.workspace_bytes;
            must(
                range.start.is_multiple_of(WORKSPACE_ALIGNMENT),
                "a workspace that is not aligned",
            )?;
            must(holds(&range), "the workspace is not in memory that is allocated")?;
        }
        Ok(())
    }

    /// Computes the product.
    ///
    /// # Safety
    ///
    /// `check_launch` has passed, and nothing else uses the memory.
    pub unsafe fn run(&self, memory: &Memory, [alpha, beta]: [f32; 2]) {
        for number in 0..self.out.count as usize {
            // The left operand by depth, the right by column.
            let left = self.left.values(memory.left, number, self.of.compute);
            let right = self.right.values(memory.right, number, self.of.compute);
            let [rows, cols, depth] = self.dims().map(|n| n as usize);
            let left = if self.of.transposed[0] { transposed(&left, depth) } else { left };
            let right = if self.of.transposed[1] { transposed(&right, cols) } else { right };
            let column = |col: usize| {
                let terms = &right[col * depth..][..depth];
                if self.of.epilogue == BGRADB {
                    let sum: f64 = terms.iter().map(|&x| f64::from(x)).sum();
                    let at = number * self.of.bias_step as usize + col;
                    // SAFETY: the caller has checked the memory.
                    unsafe { *(self.of.bias as *mut f32).add(at) = sum as f32 };
                }
                let sums = sums(&left, terms, rows);
                for (row, sum) in sums.into_iter().enumerate() {
                    // SAFETY: the caller has checked the memory.
                    unsafe {
                        self.finish(memory, [number, col, row], f64::from(alpha) * sum, beta)
                    };
                }
            };
            let threads = if rows * cols * depth < FEW { 1 } else { options().threads.min(cols) };
            std::thread::scope(|scope| {
                let column = &column;
                for thread in 1..threads {
                    scope.spawn(move || (thread..cols).step_by(threads).for_each(column));
                }
                (0..cols).step_by(threads).for_each(column);
            });
        }
    }

    /// Adds what is to be added to an element, and writes it.
    unsafe fn finish(
        &self,
        memory: &Memory,
        [number, col, row]: [usize; 3],
        product: f64,
        beta: f32,
    ) {
        let at = |layout: &Layout| number * layout.step as usize + col * layout.ld as usize + row;
        // SAFETY: the caller has checked the memory.
        let value = unsafe {
            let mut value = product;
            if beta != 0.0 {
                value += f64::from(beta * self.sum.value(memory.sum, at(&self.sum)));
            }
            if self.of.epilogue & BIAS != 0 {
                let bias = number * self.of.bias_step as usize + row;
                // It is of the result's type.
                value += f64::from(self.out.value(self.of.bias, bias));
            }
            value as f32
        };
        let value = if self.of.epilogue & RELU != 0 && value < 0.0 { 0.0 } else { value };
        // SAFETY: as above.
        let value = if self.of.epilogue & AUX == 0 {
            value
        } else {
            unsafe { self.signed(value, [col, row]) }
        };
        // SAFETY: as above.
        unsafe { self.out.put(memory.out, at(&self.out), value) };
    }

    /// Keeps the sign of a result, or takes that which was kept.
    unsafe fn signed(&self, value: f32, [col, row]: [usize; 2]) -> f32 {
        let at = col * self.of.signs_ld as usize / 8 + row / 8;
        // SAFETY: the caller has checked the memory. A column has bytes of its own, and one thread.
        let byte = unsafe { &mut *(self.of.signs as *mut u8).add(at) };
        let bit = 1 << (row % 8);
        if self.of.epilogue == DRELU {
            return if *byte & bit == 0 { 0.0 } else { value };
        }
        *byte = if value > 0.0 { *byte | bit } else { *byte & !bit };
        value
    }
}

/// The transposed matrix of columns of length `rows`.
fn transposed(x: &[f32], rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| x.iter().skip(row).step_by(rows).copied()).collect()
}

/// A column of a product.
fn sums(left: &[f32], right: &[f32], rows: usize) -> Vec<f64> {
    let mut sums = vec![0.0; rows];
    for (left, &right) in left.chunks_exact(rows).zip(right) {
        for (sum, &left) in sums.iter_mut().zip(left) {
            *sum += f64::from(left) * f64::from(right);
        }
    }
    sums
}
