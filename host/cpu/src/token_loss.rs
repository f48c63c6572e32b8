//! Cross-entropies over the vocabulary, computed in blocks of rows. The logits `[N, V]` are never stored in full.

use super::Cpu;
use super::gemm::{self, Form, Left, Right, Start};
use super::round::Operands;
use super::team::{Team, vectorised};
use super::tensor::{Pool, Scratch, Tensor};
use a2d_core::backend::{TokenLoss, TokenLosses};
use a2d_core::batch::IGNORE;
use a2d_core::rows::{self, TokenRow, TokenValues};
use a2d_core::shape::Shape;

/// Rows of a block of logits.
const BLOCK: usize = 384;

/// Rows per piece of work in a block.
const TILE: usize = 48;

/// The losses and, if requested, the gradients. Operands are already rounded.
pub fn token_loss(
    team: &Team,
    pool: &Pool,
    operands: Operands,
    of: &TokenLoss<'_, Cpu>,
) -> TokenLosses<Tensor> {
    let (v, width) = (of.table.shape().rows(), of.table.shape().cols());
    let counting = counting(of);
    let losses = Losses::new(team, operands, of);
    let mut hidden = of.gradient.then(|| pool.zeros(of.hidden.shape()));
    let mut table = of.gradient.then(|| pool.zeros(of.table.shape()));
    let bias = of.bias.filter(|_| of.gradient);
    let mut bias = bias.map(|bias| pool.zeros(bias.shape()));
    let mut logits = pool.take(BLOCK.min(counting.len()) * v);
    let mut sums = [0.0; 5];
    let mut values = pool.zeros(Shape::matrix(of.targets.len(), 5));
    for block in counting.chunks(BLOCK) {
        let x = gather(pool, of.hidden, block);
        let logits = &mut logits[..block.len() * v];
        let mut dx = pool.take(if of.gradient { x.len() } else { 0 });
        let found = losses.block(team, pool, block, &x, logits, &mut dx);
        for (value, &(row, _)) in found.iter().zip(block) {
            sums.iter_mut().zip(value).for_each(|(sum, value)| *sum += f64::from(*value));
            values.data_mut()[row * 5..][..5].copy_from_slice(value);
        }
        if let (Some(hidden), Some(table)) = (&mut hidden, &mut table) {
            scatter(&dx, block, hidden);
            if let Some(bias) = &mut bias {
                logits.chunks_exact(v).for_each(|dz| rows::axpy(1.0, dz, bias.data_mut()));
            }
            let left = Left::Columns { data: logits, stride: v };
            let panels = gemm::pack(team, pool, &x, block.len(), width);
            let right = Right { panels: &panels, depth: block.len(), cols: width };
            gemm::product_in_tiles(team, left, right, table.data_mut(), Start::Sum);
        }
    }
    let sums = pool.filled(&sums.map(|sum| sum as f32), Shape::vector(5));
    TokenLosses { values: sums, rows: values, hidden, table, bias }
}

/// Index of a row with a target, and the target.
type Row = (usize, usize);

fn counting(of: &TokenLoss<'_, Cpu>) -> Vec<Row> {
    let (n, v) = (of.hidden.shape().rows(), of.table.shape().rows());
    assert_eq!(of.hidden.shape().cols(), of.table.shape().cols(), "token_loss: hidden");
    assert_eq!(of.targets.len(), n, "token_loss: targets");
    if let Some(teacher) = &of.teacher {
        let (hidden, table) = (teacher.hidden.shape(), teacher.table.shape());
        assert!((hidden.rows(), table.rows()) == (n, v), "token_loss: the teacher");
        assert_eq!(hidden.cols(), table.cols(), "token_loss: the teacher's hidden");
    }
    let rows = of.targets.iter().map(|&target| target as usize).enumerate();
    let rows: Vec<Row> = rows.filter(|&(_, target)| target != IGNORE as usize).collect();
    assert!(rows.iter().all(|&(_, target)| target < v), "token_loss: a target beyond {v}");
    rows
}

/// Inputs common to all rows.
struct Losses<'a> {
    forward: Right<'a>,
    /// Bias of the logits.
    bias: Option<&'a Tensor>,
    backward: Option<Right<'a>>,
    /// The teacher's hidden rows, its table and its bias.
    teacher: Option<(&'a Tensor, Right<'a>, Option<&'a Tensor>)>,
    row: TokenRow,
    operands: Operands,
}

impl<'a> Losses<'a> {
    fn new(team: &Team, operands: Operands, of: &TokenLoss<'a, Cpu>) -> Self {
        let teacher = of.teacher.as_ref();
        Self {
            forward: gemm::packed(team, of.table, Form::Forward),
            backward: of.gradient.then(|| gemm::packed(team, of.table, Form::Gradient)),
            bias: of.bias,
            teacher: teacher
                .map(|t| (t.hidden, gemm::packed(team, t.table, Form::Forward), t.bias)),
            row: of.row,
            operands,
        }
    }

    /// The losses of a block with hidden rows `x`. If requested, `logits` and `dx` become gradients.
    fn block(
        &self,
        team: &Team,
        pool: &Pool,
        block: &[Row],
        x: &[f32],
        logits: &mut [f32],
        dx: &mut [f32],
    ) -> Vec<TokenValues> {
        let (v, width) = (self.forward.cols, self.forward.depth);
        let mut values = vec![TokenValues::default(); block.len()];
        let mut dxs = dx.chunks_mut(TILE * width);
        let given = block.chunks(TILE).zip(x.chunks(TILE * width));
        let made = values.chunks_mut(TILE).zip(logits.chunks_mut(TILE * v));
        let pieces = given.zip(made).map(|(given, made)| (given, made, dxs.next()));
        team.each(pieces, |((tile, x), (values, logits), dx)| {
            let x = Left::Rows { data: x, stride: width };
            gemm::product(x, self.forward, logits, v, tile.len(), Start::Zero);
            add_bias(self.bias, logits);
            self.losses(tile, logits, self.teacher_logits(pool, tile), values);
            if let (Some(table), Some(dx)) = (self.backward, dx) {
                self.operands.round(logits);
                let dz = Left::Rows { data: logits, stride: v };
                gemm::product(dz, table, dx, width, tile.len(), Start::Zero);
                self.operands.round(dx);
            }
        });
        values
    }

    fn losses(
        &self,
        tile: &[Row],
        logits: &mut [f32],
        mut teacher: Option<Scratch>,
        values: &mut [TokenValues],
    ) {
        let v = self.forward.cols;
        for (i, (z, value)) in logits.chunks_exact_mut(v).zip(values).enumerate() {
            let mut teacher = teacher.as_mut().map(|t| &mut t[i * v..][..v]);
            vectorised(
                #[inline(always)]
                || {
                    *value = match teacher.as_deref_mut() {
                        Some(other) if self.row.mutual => {
                            rows::mutual_loss(z, other, tile[i].1, &self.row)
                        }
                        teacher => rows::token_loss(z, teacher, tile[i].1, &self.row),
                    }
                },
            );
        }
    }

    fn teacher_logits(&self, pool: &Pool, tile: &[Row]) -> Option<Scratch> {
        let (hidden, table, bias) = self.teacher?;
        let x = gather(pool, hidden, tile);
        let mut out = pool.take(tile.len() * table.cols);
        let x = Left::Rows { data: &x, stride: table.depth };
        gemm::product(x, table, &mut out, table.cols, tile.len(), Start::Zero);
        add_bias(bias, &mut out);
        Some(out)
    }
}

/// Adds the bias, if any, to rows of logits.
fn add_bias(bias: Option<&Tensor>, logits: &mut [f32]) {
    let Some(bias) = bias else { return };
    for z in logits.chunks_exact_mut(bias.data().len().max(1)) {
        rows::axpy(1.0, bias.data(), z);
    }
}

/// Copies the rows with a target from `x`.
fn gather(pool: &Pool, x: &Tensor, rows: &[Row]) -> Scratch {
    let width = x.shape().cols();
    let mut out = pool.take(rows.len() * width);
    for (out, &(row, _)) in out.chunks_exact_mut(width).zip(rows) {
        out.copy_from_slice(&x.data()[row * width..][..width]);
    }
    out
}

/// Copies gathered rows back to their places in `to`.
fn scatter(x: &[f32], rows: &[Row], to: &mut Tensor) {
    let width = to.shape().cols();
    let data = to.data_mut();
    for (x, &(row, _)) in x.chunks_exact(width).zip(rows) {
        data[row * width..][..width].copy_from_slice(x);
    }
}
