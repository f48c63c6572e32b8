//! The recorded operations, and all derivative rules on one screen.

use super::Var;
use crate::backend::{Attend, Embed, JoinGrad, LayerNorm, MapInput, SavedAttend, Train};
use crate::batch::{Grid, Tokens};
use crate::config::Activation;
use alloc::vec::Vec;

/// The index of a value's gradient.
pub(super) type Id = usize;

/// The gradients summed so far, by [`Id`].
pub(super) struct Grads<T>(Vec<Option<T>>);

impl<T> Default for Grads<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Grads<T> {
    pub fn place(&mut self) -> Id {
        self.0.push(None);
        self.0.len() - 1
    }

    pub fn take(&mut self, id: Id) -> Option<T> {
        self.0[id].take()
    }

    fn put(&mut self, id: Id, gradient: T) {
        self.0[id] = Some(gradient);
    }

    pub fn add<B: Train<Tensor = T>>(&mut self, b: &mut B, id: Id, gradient: T) {
        let sum = match self.take(id) {
            Some(sum) => b.add(sum, &gradient),
            None => gradient,
        };
        self.put(id, sum);
    }
}

/// One recorded operation: the ids of inputs and output (`y`), and the values that the gradient needs.
pub(super) enum Op<T, I> {
    Embed {
        table: Var<T>,
        tokens: Tokens<I>,
        how: Embed,
        y: Id,
    },
    Linear {
        x: Var<T>,
        w: Var<T>,
        b: Option<Id>,
        y: Id,
    },
    Linears {
        x: Var<T>,
        maps: Vec<Map<T>>,
    },
    Activate {
        x: Id,
        saved: T,
        f: Activation,
        y: Id,
    },
    Add {
        terms: [Id; 2],
        y: Id,
    },
    LayerNorm {
        x: Var<T>,
        gain: Var<T>,
        bias: Var<T>,
        epsilon: f32,
        y: Id,
    },
    Join {
        x: Var<T>,
        /// The activation whose result `x` is, and its input.
        through: Option<(Activation, Id)>,
        w: Var<T>,
        b: Id,
        residual: Id,
        mask: Option<(f32, u64)>,
        sum: T,
        gain: Var<T>,
        bias: Var<T>,
        epsilon: f32,
        y: Id,
    },
    Attend {
        inputs: [Id; 3],
        saved: SavedAttend<T>,
        grid: Grid<I>,
        how: Attend,
        y: Id,
        map: Option<Id>,
    },
    Mask {
        x: Id,
        p: f32,
        key: u64,
        y: Id,
    },
    Align {
        maps: Vec<Id>,
        values: Vec<T>,
        w: Var<T>,
        b: Id,
        grid: Grid<I>,
        input: MapInput,
        y: Id,
    },
}

/// One of several linear maps of the same input.
pub(super) struct Map<T> {
    pub w: Var<T>,
    pub b: Id,
    pub y: Id,
}

impl<T: Clone, I: Clone> Op<T, I> {
    /// Adds the gradients of the inputs, from the gradient of the output. Skipped if the output has no gradient.
    pub fn play<B: Train<Tensor = T, Index = I>>(self, b: &mut B, grads: &mut Grads<T>) {
        match self {
            Op::Embed { table, tokens, how, y } => {
                let Some(dy) = grads.take(y) else { return };
                let into = grads.take(table.id);
                let sum = b.embed_grad(&dy, &tokens, how, &table.value, into);
                grads.put(table.id, sum);
            }
            Op::Linear { x, w, b: bias, y } => {
                let Some(dy) = grads.take(y) else { return };
                let into = grads.take(x.id);
                let d = b.linear_grad(&dy, &x.value, &w.value, bias.is_some(), into);
                grads.put(x.id, d.x);
                grads.add(b, w.id, d.w);
                if let (Some(bias), Some(d)) = (bias, d.b) {
                    grads.add(b, bias, d);
                }
            }
            Op::Linears { x, maps } => {
                let with_dy = |map: Map<T>| Some((grads.take(map.y)?, map));
                let (dys, maps): (Vec<_>, Vec<_>) = maps.into_iter().filter_map(with_dy).unzip();
                if dys.is_empty() {
                    return;
                }
                let (ws, into) =
                    (maps.iter().map(|map| &map.w.value).collect::<Vec<_>>(), grads.take(x.id));
                let d = b.linears_grad(&dys, &x.value, &ws, into);
                if let Some(dx) = d.x {
                    grads.put(x.id, dx);
                }
                for (map, (dw, db)) in maps.iter().zip(d.maps) {
                    grads.add(b, map.w.id, dw);
                    if let Some(db) = db {
                        grads.add(b, map.b, db);
                    }
                }
            }
            Op::Activate { x, saved, f, y } => {
                let Some(dy) = grads.take(y) else { return };
                let dx = b.activate_grad(dy, &saved, f);
                grads.add(b, x, dx);
            }
            Op::Add { terms, y } => {
                let Some(dy) = grads.take(y) else { return };
                grads.add(b, terms[0], dy.clone());
                grads.add(b, terms[1], dy);
            }
            Op::LayerNorm { x, gain, bias, epsilon, y } => {
                let Some(dy) = grads.take(y) else { return };
                let norm = LayerNorm { gain: &gain.value, bias: &bias.value, epsilon };
                let d = b.layer_norm_grad(&dy, &x.value, norm);
                grads.add(b, x.id, d.x);
                grads.add(b, gain.id, d.gain);
                grads.add(b, bias.id, d.bias);
            }
            Op::Join {
                x,
                through,
                w,
                b: map_bias,
                residual,
                mask,
                sum,
                gain,
                bias,
                epsilon,
                y,
            } => {
                let Some(dy) = grads.take(y) else { return };
                let norm = LayerNorm { gain: &gain.value, bias: &bias.value, epsilon };
                let (f, input) = through.map_or((None, x.id), |(f, id)| (Some(f), id));
                let JoinGrad { norm, linear } =
                    b.linear_join_grad(&dy, [&x.value, &w.value], f, &sum, mask, norm);
                grads.add(b, gain.id, norm.gain);
                grads.add(b, bias.id, norm.bias);
                grads.add(b, residual, norm.x);
                grads.add(b, input, linear.x);
                grads.add(b, w.id, linear.w);
                if let Some(d) = linear.b {
                    grads.add(b, map_bias, d);
                }
            }
            Op::Attend { inputs, saved, grid, how, y, map } => {
                let (dy, dmap) = (grads.take(y), map.and_then(|map| grads.take(map)));
                if dy.is_none() && dmap.is_none() {
                    return;
                }
                let d = b.attend_grad(dy.as_ref(), dmap.as_ref(), &saved, &grid, how);
                for (id, d) in inputs.into_iter().zip(d) {
                    grads.add(b, id, d);
                }
            }
            Op::Mask { x, p, key, y } => {
                let Some(dy) = grads.take(y) else { return };
                let dx = b.mask(dy, p, key);
                grads.add(b, x, dx);
            }
            Op::Align { maps, values, w, b: bias, grid, input, y } => {
                let Some(dy) = grads.take(y) else { return };
                let d = b.align_grad(&dy, &values, &w.value, &grid, input);
                for (id, d) in maps.into_iter().zip(d.maps) {
                    grads.add(b, id, d);
                }
                grads.add(b, w.id, d.w);
                grads.add(b, bias, d.b);
            }
        }
    }
}
