//! The CPU in bf16 is bit-identical to f32 arithmetic on operands rounded to bf16.

use crate::suite::{Noise, TOKEN_ROWS, values};
use a2d_core::backend::*;
use a2d_core::batch::{Batch, IGNORE, Layout};
use a2d_core::config::Special;
use a2d_core::rows::{TokenRow, softmax_grad};
use a2d_core::shape::Shape;
use a2d_host::backend::cpu::{Cpu, Tensor};

/// Rounds `x` to the 8-bit significand of bf16.
fn rounded(x: f32) -> f32 {
    let unit = f64::powi(2.0, x.abs().log2().floor().max(-126.0) as i32 - 7);
    (unit * (f64::from(x) / unit).round_ties_even()) as f32
}

/// `x` with every element rounded.
fn operand(b: &mut Cpu, x: &Tensor) -> Tensor {
    let data: Vec<f32> = values(b, x).into_iter().map(rounded).collect();
    b.tensor(&data, b.shape(x))
}

/// Random `[rows, cols]`, and the same rounded to bf16.
fn noise(b: &mut Cpu, seed: u64, rows: usize, cols: usize) -> [Tensor; 2] {
    let x = b.tensor(&Noise::new(seed).list(rows * cols), Shape::matrix(rows, cols));
    let operand = operand(b, &x);
    [x, operand]
}

#[track_caller]
fn same(b: &mut Cpu, what: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(values(b, found), values(b, wanted), "{what}");
}

#[test]
fn linear_maps_are_those_of_rounded_operands() {
    let (short, single) = (&mut Cpu::bf16(2), &mut Cpu::new(2));
    for [n, i, o] in [[1, 1, 1], [3, 5, 2], [17, 64, 33], [130, 36, 70], [9, 515, 140]] {
        let [x, rx] = noise(single, 1, n, i);
        let [w, rw] = noise(single, 2, o, i);
        let [dy, rdy] = noise(single, 3, n, o);
        let bias = single.tensor(&Noise::new(4).list(o), Shape::vector(o));

        let what = format!("{n} x {i} by {o}");
        let (found, wanted) =
            (short.linear(&x, &w, Some(&bias)), single.linear(&rx, &rw, Some(&bias)));
        same(short, &what, &found, &wanted);
        let found = short.linear_grad(&dy, &x, &w, true, Some(x.clone()));
        let wanted = single.linear_grad(&rdy, &rx, &rw, false, None);
        // The gradient of the input is rounded before it is added.
        let dx = operand(single, &wanted.x);
        let dx = single.add(dx, &x);
        same(short, &what, &found.x, &dx);
        same(short, &what, &found.w, &wanted.w);
        // The bias gradient sums `dy` as the product that gives the gradient of the weights reads it.
        let wanted = single.linear_grad(&rdy, &x, &w, true, None);
        same(short, &what, &found.b.expect("asked"), &wanted.b.expect("asked"));
    }
}

#[test]
fn maps_of_one_input_are_rounded_too() {
    let (short, single) = (&mut Cpu::bf16(2), &mut Cpu::new(2));
    let ([x, rx], [w, rw]) = (noise(single, 1, 17, 64), noise(single, 2, 33, 64));
    let [bias, rbias] = noise(single, 3, 33, 1);
    let [found, _] = short.linears(&x, [[&w, &bias], [&w, &bias]]);
    let wanted = single.linear(&rx, &rw, Some(&rbias));
    let wanted = operand(single, &wanted);
    same(short, "maps", &found, &wanted);
}

#[test]
fn joins_add_what_is_rounded() {
    let (short, single) = (&mut Cpu::bf16(2), &mut Cpu::new(2));
    let ([x, rx], [w, rw]) = (noise(single, 1, 170, 64), noise(single, 2, 33, 64));
    let [residual, _] = noise(single, 3, 170, 33);
    let [bias, gain] =
        [4, 5].map(|seed| single.tensor(&Noise::new(seed).list(33), Shape::vector(33)));
    let norm = LayerNorm { gain: &gain, bias: &bias, epsilon: 0.01 };
    let y = single.linear(&rx, &rw, None);
    let y = operand(single, &y);
    let ones = single.tensor(&[1.0; 170], Shape::matrix(170, 1));
    let column = values(single, &bias);
    let column = single.tensor(&column, Shape::matrix(33, 1));
    let shift = single.linear(&ones, &column, None);
    let y = single.add(y, &shift);
    for mask in [None, Some((0.3, 6))] {
        let dropped = mask.map_or_else(|| y.clone(), |(p, key)| single.mask(y.clone(), p, key));
        let sum = single.add(dropped, &residual);
        let normed = single.layer_norm(&sum, norm);
        let [found_sum, found] = short.linear_join_masked(&x, [&w, &bias], &residual, mask, norm);
        same(short, "sum", &found_sum, &sum);
        same(short, "join", &found, &normed);
        if mask.is_none() {
            let found = short.linear_join(&x, [&w, &bias], &residual, 0.3, norm);
            same(short, "join without a mask", &found, &normed);
        }
    }
}

/// One head of one sentence: each product is one of `linear` or of its gradients.
#[test]
fn attention_is_that_of_rounded_operands() {
    let (short, single) = (&mut Cpu::bf16(2), &mut Cpu::new(2));
    let (tokens, width) = (9, 20);
    let sentence = vec![5; tokens];
    let batch = Batch::new(single, &Special::FAIRSEQ, &[&sentence], &[&sentence], Layout::Packed);
    let grid = &batch.encoder_grid;
    let [[q, rq], [k, rk], [v, rv], [dy, rdy]] =
        [1, 2, 3, 4].map(|seed| noise(single, seed, tokens, width));
    let how = Attend { heads: 1, map: true, dropout: 0.0, key: None };
    let found = short.attend(&q, Kv { k: &k, v: &v }, grid, how);
    let map = found.map.expect("asked");
    let wanted = single.attend(&rq, Kv { k: &rk, v: &rv }, grid, how).map.expect("asked");
    same(short, "map", &map, &wanted);

    let square = Shape::matrix(tokens, tokens);
    let p = values(short, &map);
    let weights = single.tensor(&p, square);
    let weights = operand(single, &weights);
    // `context = P v`, the gradient of `x` where `P` is that of a map with weights `v`.
    let product = |b: &mut Cpu, left: &Tensor, right: &Tensor| {
        let x = b.zeros(Shape::matrix(tokens, width));
        let product = b.linear_grad(left, &x, right, false, None).x;
        operand(b, &product)
    };
    // `left^T right`, the gradient of weights.
    let turned = |b: &mut Cpu, left: &Tensor, right: &Tensor| {
        let w = b.zeros(Shape::matrix(tokens, width));
        let product = b.linear_grad(left, right, &w, false, None).w;
        operand(b, &product)
    };
    let context = product(single, &weights, &rv);
    same(short, "context", &found.context, &context);

    let saved = SavedAttend { q, kv: Kv { k, v }, map: Some(map) };
    let [dq, dk, dv] = short.attend_grad(Some(&dy), None, &saved, grid, how);
    let scores = single.linear(&rdy, &rv, None);
    let mut gradients = values(single, &scores);
    for (p, gradients) in p.chunks(tokens).zip(gradients.chunks_mut(tokens)) {
        softmax_grad(p, gradients);
        gradients.iter_mut().for_each(|x| *x *= 1.0 / (width as f32).sqrt());
    }
    let gradients = single.tensor(&gradients, square);
    let gradients = operand(single, &gradients);
    let wanted = [
        product(single, &gradients, &rk),
        turned(single, &gradients, &rq),
        turned(single, &weights, &rdy),
    ];
    for ((what, found), wanted) in [("dq", dq), ("dk", dk), ("dv", dv)].iter().zip(&wanted) {
        same(short, what, found, wanted);
    }
}

#[test]
fn token_losses_are_those_of_rounded_operands() {
    let (short, single) = (&mut Cpu::bf16(2), &mut Cpu::new(2));
    let (n, v, width) = (130, 300, 40);
    let targets: Vec<u32> = (0..n as u32).map(|i| if i % 7 == 0 { IGNORE } else { i }).collect();
    let [hidden, rhidden] = noise(single, 5, n, width);
    let [table, rtable] = noise(single, 6, v, width);
    let [taught, rtaught] = noise(single, 7, n, width / 2);
    let [teacher, rteacher] = noise(single, 8, v, width / 2);
    for row in TOKEN_ROWS {
        let found = losses(short, [&hidden, &table], [&taught, &teacher], &targets, row);
        let wanted = losses(single, [&rhidden, &rtable], [&rtaught, &rteacher], &targets, row);
        same(short, "losses", &found.values, &wanted.values);

        // With the identity as table, the gradient of the hidden rows is that of the logits. Both are rounded, as operands are.
        let ones: Vec<f32> = (0..v * v).map(|i| f32::from(i % (v + 1) == 0)).collect();
        let ones = single.tensor(&ones, Shape::matrix(v, v));
        let logits = single.linear(&rhidden, &rtable, None);
        let of_teacher = single.linear(&rtaught, &rteacher, None);
        let dlogits = losses(single, [&logits, &ones], [&of_teacher, &ones], &targets, row).hidden;
        let dlogits = operand(single, &dlogits.expect("asked"));
        let wanted = single.linear_grad(&dlogits, &rhidden, &rtable, false, None);
        let dhidden = operand(single, &wanted.x);
        same(short, "hidden", &found.hidden.expect("asked"), &dhidden);
        same(short, "table", &found.table.expect("asked"), &wanted.w);
    }
}

fn losses(
    b: &mut Cpu,
    [hidden, table]: [&Tensor; 2],
    [taught, teacher]: [&Tensor; 2],
    targets: &[u32],
    row: TokenRow,
) -> TokenLosses<Tensor> {
    let targets = &b.index(targets);
    let teacher = Some(TeacherRows { hidden: taught, table: teacher, bias: None });
    b.token_loss(TokenLoss { hidden, table, bias: None, teacher, targets, row, gradient: true })
}
