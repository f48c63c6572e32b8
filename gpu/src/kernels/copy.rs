//! Kernels that fill, copy and gather memory.

use crate::context::{Context, launch};
use crate::grid::{UNITS, elements, units};
use crate::tensor::Tensor;
use crate::view::View;
use a2d_core::shape::Shape;
use cubecl::prelude::*;
use half::bf16;

/// The largest number of tensors that one launch gathers, on CUDA, whose kernels take 4,096 bytes of arguments, and elsewhere:
/// some devices bind 31 buffers to a kernel.
const MAX_GATHERED: [usize; 2] = [80, 28];

/// Cubes for each gathered tensor: enough to occupy a device.
const CUBES: u32 = 64;

/// An uninitialised tensor.
pub(crate) fn empty(context: &Context, shape: Shape) -> Tensor {
    Tensor::new(context.allocate(shape.len() * size_of::<f32>()), shape)
}

#[cube(launch)]
fn fill_kernel<F: Float>(out: &mut Array<F>, value: f32) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = F::cast_from(value);
    }
}

/// Sets all elements to `value`.
pub(crate) fn fill(context: &Context, out: &View, value: f32) {
    launch!(context, fill_kernel::<f32>(elements(out.len), units(), out.arg(), value));
}

/// Sets all elements of bf16 to `value`.
pub(crate) fn fill_short(context: &Context, out: &View, value: f32) {
    launch!(context, fill_kernel::<bf16>(elements(out.len), units(), out.arg(), value));
}

/// A tensor of zeros.
pub(crate) fn zeros(context: &Context, shape: Shape) -> Tensor {
    let out = empty(context, shape);
    fill(context, &out.view(), 0.0);
    out
}

/// A tensor whose kernel writes `covered` rows; other rows are 0.
pub(crate) fn rows_of(context: &Context, shape: Shape, covered: usize) -> Tensor {
    if covered == shape.rows() { empty(context, shape) } else { zeros(context, shape) }
}

#[cube(launch)]
fn copy_kernel(x: &Array<f32>, out: &mut Array<f32>) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = x[ABSOLUTE_POS];
    }
}

/// Copies `x` to `out`, of the same length.
pub(crate) fn copy(context: &Context, x: &View, out: &View) {
    launch!(context, copy_kernel(elements(out.len), units(), x.arg(), out.arg()));
}

#[cube(launch)]
fn copy_columns_kernel(x: &Array<bf16>, out: &mut Array<bf16>, width: u32, first: u32, count: u32) {
    let (i, count) = (ABSOLUTE_POS, count as usize);
    if i < out.len() {
        out[i] = x[i / count * width as usize + first as usize + i % count];
    }
}

/// `count` columns, from `first`, of a matrix of `width` columns in bf16.
pub(crate) fn copy_columns(context: &Context, x: &View, [width, first, count]: [usize; 3]) -> View {
    let len = x.len / width.max(1) * count;
    let out = View::of(context.allocate(len * size_of::<bf16>()), len);
    if len > 0 {
        let [width, first, count] = [width, first, count].map(|size| size as u32);
        let launched = (elements(len), units());
        launch!(
            context,
            copy_columns_kernel(launched.0, launched.1, x.arg(), out.arg(), width, first, count)
        );
    }
    out
}

/// Elements of one upload.
const UPLOADED: usize = 1 << 17;

/// A tensor of `data`. Uploads pass through CubeCL's own pool; short ones keep that pool small.
pub(crate) fn upload(context: &Context, data: &[f32], shape: Shape) -> Tensor {
    let out = empty(context, shape);
    for (i, data) in data.chunks(UPLOADED).enumerate() {
        let part = View::uploaded(context.upload_floats(data), data.len());
        copy(context, &part, &out.part_of(UPLOADED * i, data.len()));
    }
    out
}

/// `x` itself, to be overwritten, or a copy where its memory is shared.
pub(crate) fn unshared(context: &Context, x: Tensor) -> Tensor {
    if x.may_be_overwritten() {
        x.forget_rounding();
        return x;
    }
    let out = empty(context, x.shape);
    copy(context, &context.full(&x), &out.view());
    out
}

#[cube(launch)]
fn gather_kernel(tensors: &Sequence<Array<f32>>, offsets: &Sequence<u32>, out: &mut Array<f32>) {
    let step = (CUBES * UNITS) as usize;
    #[unroll]
    for t in 0..tensors.len() {
        if CUBE_POS_Y as usize == t {
            let x = tensors.index(t);
            let offset = *offsets.index(t) as usize;
            for i in range_stepped(ABSOLUTE_POS_X as usize, x.len(), step) {
                out[offset + i] = x[i];
            }
        }
    }
}

/// Copies each of `tensors` to its offset in `out`.
pub(crate) fn gather(context: &Context, tensors: &[&Tensor], offsets: &[usize], out: &View) {
    let [on_cuda, elsewhere] = MAX_GATHERED;
    let most = if context.client().is_cuda() { on_cuda } else { elsewhere };
    for (tensors, offsets) in tensors.chunks(most).zip(offsets.chunks(most)) {
        launch!(
            context,
            gather_kernel(
                CubeCount::Static(CUBES, tensors.len() as u32, 1),
                units(),
                tensors.iter().map(|x| x.view().arg()).collect(),
                offsets.iter().map(|&offset| offset as u32).collect(),
                out.arg(),
            )
        );
    }
}
