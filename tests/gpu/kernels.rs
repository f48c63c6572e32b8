//! Kernels at sizes that do not fill a tile, a cube or a run of rows, compared with the CPU backend.

use crate::suite::{self, Noise, TOKEN_ROWS, random};
use a2d_core::backend::*;
use a2d_core::batch::{Batch, IGNORE, Layout, NO_POSITION, Tokens};
use a2d_core::config::{Positions, Special};
use a2d_core::optim::Adam;
use a2d_core::shape::Shape;
use a2d_host::backend::cpu::Cpu;

/// Results by name.
type Named = Vec<(String, Vec<f32>)>;

/// Runs `work` on the device. Every result must equal that of the CPU within `tolerance` of its largest element.
fn agree<B: Train>(b: &mut B, tolerance: f32, on_cpu: Named, work: impl Fn(&mut B) -> Named) {
    for ((name, want), (_, got)) in on_cpu.iter().zip(work(b)) {
        assert_eq!(got.len(), want.len(), "{name}");
        let most = want.iter().fold(1e-30f32, |most, x| most.max(x.abs()));
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let off = (got - want).abs();
            assert!(off <= tolerance * most, "{name}[{i}]: {got}, not {want} (largest {most})");
        }
    }
}

fn named<B: Train>(b: &mut B, what: &str, all: &[&B::Tensor]) -> Named {
    all.iter().enumerate().map(|(i, x)| (format!("{what} {i}"), suite::values(b, x))).collect()
}

/// Operations on rows.
fn rows<B: Train>(b: &mut B) -> Named {
    let mut all = Vec::new();
    for n in [1, 31, 33, 65_537] {
        let noise = &mut Noise::new(n as u64);
        let width = if n > 1000 { 3 } else { 70 };
        let shape = Shape::matrix(n, width);
        let (x, _) = random(b, noise, shape);
        let (y, _) = random(b, noise, shape);
        let (gain, _) = random(b, noise, Shape::vector(width));
        let (w, _) = random(b, noise, Shape::matrix(2, width));
        let (table, _) = random(b, noise, Shape::matrix(50, width));
        let (dy, _) = random(b, noise, Shape::matrix(n, 2));
        let ids: Vec<u32> = (0..n as u32).map(|i| i * 7 % 50).collect();
        let positions: Vec<u32> =
            (0..n as u32).map(|i| if i % 9 == 8 { NO_POSITION } else { i % 60 }).collect();
        let (ids, positions) = (b.index(&ids), b.index(&positions));
        let tokens = Tokens { ids, positions, rows: n, types: None, zero_padding: true, first: 0 };

        let embed = Embed { dropout: 0.3, key: Some(7), ..Embed::of(Positions::Fairseq) };
        let norm = suite::norm(&gain);
        let normed = b.layer_norm(&x, norm);
        let dnorm = b.layer_norm_grad(&y, &x, norm);
        let sum = b.add(x.clone(), &y);
        let masked = b.mask(x.clone(), 0.3, 5);
        let line = b.linear_grad(&dy, &x, &w, true, None);
        let embedded = b.embed(&table, &tokens, embed);
        let dtable = b.embed_grad(&y, &tokens, embed, &table, None);
        let (square, _) = random(b, noise, Shape::matrix(width, width));
        let map = [&square, &gain];
        let [_, joined] = b.linear_join_masked(&y, map, &x, Some((0.2, 6)), norm);
        let bias = line.b.expect("asked");
        let found = [
            &normed,
            &dnorm.x,
            &dnorm.gain,
            &dnorm.bias,
            &sum,
            &masked,
            &line.x,
            &line.w,
            &bias,
            &embedded,
            &dtable,
            &joined,
        ];
        all.extend(named(b, &format!("{n} rows, result"), &found));
    }
    all
}

pub fn work_on_any_number_of_rows<B: Train>(b: &mut B) {
    agree(b, 3e-5, rows(&mut Cpu::new(2)), rows);
}

/// Attention over sentences of one and of many tokens, at the edges of tiles, with heads of any width; and over no
/// sentence at all.
fn attention<B: Train>(b: &mut B) -> Named {
    let mut all = Vec::new();
    for (lengths, width, heads, dropout) in [
        (&[1, 1, 1][..], 8, 2, 0.0),
        (&[1, 40, 17], 200, 1, 0.0),
        (&[3, 2], 300, 1, 0.0),
        (&[33], 66, 2, 0.0),
        (&[1, 15, 16, 17, 31, 32, 33], 128, 2, 0.3),
        (&[15, 17], 128, 1, 0.3),
        (&[70, 3], 32, 2, 0.3),
        (&[64, 49], 128, 1, 0.3),
        (&[65], 128, 1, 0.3),
        (&[7, 9, 16], 18, 3, 0.3),
        (&[8, 5], 10, 2, 0.3),
        (&[], 8, 2, 0.0),
    ] {
        let sentences: Vec<Vec<u32>> = lengths.iter().map(|&n| vec![5; n]).collect();
        let sentences: Vec<&[u32]> = sentences.iter().map(Vec::as_slice).collect();
        let batch = Batch::new(b, &Special::FAIRSEQ, &sentences, &sentences, Layout::Packed);
        let (noise, shape) = (&mut Noise::new(3), Shape::matrix(lengths.iter().sum(), width));
        let [q, k, v, dy] = [(); 4].map(|()| random(b, noise, shape).0);
        let mut saved = SavedAttend { q: q.clone(), kv: Kv { k, v }, map: None };
        let how = Attend { heads, map: true, dropout, key: (dropout > 0.0).then_some(7) };
        for grid in [&batch.decoder_grid, &batch.encoder_grid] {
            let Attended { context, map } = b.attend(&q, saved.kv.as_ref(), grid, how);
            let map = map.expect("asked");
            let (w, _) = random(b, noise, Shape::matrix(5, heads));
            let (bias, _) = random(b, noise, Shape::vector(5));
            let maps = std::slice::from_ref(&map);
            let [mixed, scores] = [MapInput::Probabilities, MapInput::Scores].map(|input| {
                let aligned = b.align(maps, &w, &bias, grid, input);
                (b.align_grad(&aligned, maps, &w, grid, input), aligned)
            });
            let ((mixed, aligned), (scored, of_scores)) = (mixed, scores);
            saved.map = Some(map.clone());
            let [dq, dk, dv] = b.attend_grad(Some(&dy), Some(&mixed.maps[0]), &saved, grid, how);
            let found = [
                &context,
                &map,
                &aligned,
                &mixed.w,
                &mixed.b,
                &dq,
                &dk,
                &dv,
                &of_scores,
                &scored.w,
                &scored.b,
                &scored.maps[0],
            ];
            let what = format!("{lengths:?} of width {width}, causal {}, result", grid.causal);
            all.extend(named(b, &what, &found));
        }
    }
    all
}

pub fn attend_with_any_heads<B: Train>(b: &mut B) {
    agree(b, 3e-5, attention(&mut Cpu::new(2)), attention);
}

/// Maps of more layers than a launch takes and of more heads than a tile has, in a long sentence and in a short one.
fn maps<B: Train>(b: &mut B) -> Named {
    let (layers, heads, others) = (14, 7, 2);
    let sentences = [vec![5; 100], vec![5; 3]];
    let sentences: Vec<&[u32]> = sentences.iter().map(Vec::as_slice).collect();
    let batch = Batch::new(b, &Special::FAIRSEQ, &sentences, &sentences, Layout::Padded);
    let (noise, grid) = (&mut Noise::new(9), &batch.decoder_grid);
    let mut probabilities = |b: &mut B, heads: usize| {
        let map: Vec<f32> = noise.list(heads * grid.area).iter().map(|x| (x + 1.0) / 3.0).collect();
        b.tensor(&map, Shape::matrix(heads, grid.area))
    };
    let [student, teacher] = [heads, others]
        .map(|heads| (0..layers).map(|_| probabilities(b, heads)).collect::<Vec<_>>());
    let (w, _) = random(b, noise, Shape::matrix(layers * others, layers * heads));
    let (bias, _) = random(b, noise, Shape::vector(layers * others));
    let mut all = Vec::new();
    for input in [MapInput::Probabilities, MapInput::Scores] {
        let y = b.align(&student, &w, &bias, grid, input);
        let AlignGrad { maps, w, b: db } = b.align_grad(&y, &student, &w, grid, input);
        all.extend(named(b, &format!("{input:?}, result"), &[&y, &maps[0], &maps[13], &w, &db]));
        for (normalisation, target, masked) in [
            (Normalisation::Map, Target::Softmax, false),
            (Normalisation::Map, Target::Probabilities, true),
            (Normalisation::Row, Target::Softmax, true),
            (Normalisation::Row, Target::Probabilities, false),
        ] {
            let how = MapLoss { normalisation, target, masked, weight: 0.7 };
            let Loss { value, gradient } = b.map_loss(&y, &teacher, grid, how, true);
            let what = format!("{input:?}, {how:?}, result");
            all.extend(named(b, &what, &[&value, &gradient.expect("asked")]));
        }
    }
    all
}

pub fn align_many_layers<B: Train>(b: &mut B) {
    agree(b, 3e-5, maps(&mut Cpu::new(2)), maps);
}

/// Keys, values and queries from their projections to the gradients of these: of `width` columns, whose weights are adjacent in
/// memory where that is a multiple of 128.
fn projected<B: Train>(b: &mut B, width: usize, layout: Layout) -> Named {
    let noise = &mut Noise::new(width as u64);
    let sentences = [3, 1, 70].map(|n| vec![5; n]);
    let sentences: Vec<&[u32]> = sentences.iter().map(Vec::as_slice).collect();
    let batch = Batch::new(b, &Special::FAIRSEQ, &sentences, &sentences, layout);
    let (grid, rows) = (&batch.decoder_grid, batch.decoder_grid.queries);
    let shapes = [Shape::matrix(width, width), Shape::vector(width)];
    let params: Vec<_> = (0..6).map(|i| random(b, noise, shapes[i % 2]).0).collect();
    let params = b.together(params);
    let map = |number: usize| [&params[2 * number], &params[2 * number + 1]];
    let [x, sum, dy, before] = [(); 4].map(|()| random(b, noise, Shape::matrix(rows, width)).0);
    let how = Attend { heads: 2, map: true, dropout: 0.1, key: Some(3) };
    let mut all = Vec::new();
    // Which maps of one input give keys, values and queries.
    for parts in [vec![vec![0, 1, 2]], vec![vec![0, 1], vec![2]], vec![vec![2, 0, 1]]] {
        let mut ys = Vec::new();
        for part in &parts {
            let of_part: Vec<_> = match part[..] {
                [i, j, k] => b.linears(&x, [i, j, k].map(map)).into(),
                [i, j] => b.linears(&x, [i, j].map(map)).into(),
                _ => b.linears(&x, [map(part[0])]).into(),
            };
            ys.extend(part.iter().zip(of_part));
        }
        ys.sort_by_key(|(number, _)| *number);
        let [k, v, q] = [0, 1, 2].map(|i| ys[i].1.clone());
        let Attended { context, map: maps } = b.attend(&q, Kv { k: &k, v: &v }, grid, how);
        let saved = SavedAttend { q: q.clone(), kv: Kv { k: k.clone(), v: v.clone() }, map: maps };
        let [dq, dk, dv] = b.attend_grad(Some(&dy), None, &saved, grid, how);
        let mut found = vec![k, v, q, context, dq.clone(), dk.clone(), dv.clone()];
        let ds = [dk, dv, dq];
        let mut dx = Some(before.clone());
        for part in &parts {
            let dys: Vec<_> = part.iter().map(|&i| ds[i].clone()).collect();
            let ws: Vec<_> = part.iter().map(|&i| map(i)[0]).collect();
            let d = b.linears_grad(&dys, &x, &ws, dx);
            for (&number, (dw, db)) in part.iter().zip(d.maps) {
                found.push(dw);
                // The exact gradient of the keys' bias is zero.
                found.extend(db.filter(|_| number > 0));
            }
            dx = d.x;
        }
        let dx = dx.expect("there are maps");
        let norm = LayerNorm { gain: map(0)[1], bias: map(1)[1], epsilon: 1e-5 };
        let normed = b.layer_norm_grad(&dx, &sum, norm);
        found.extend([normed.x, normed.gain, normed.bias, dx]);
        let mut cache = b.zeros(Shape::matrix(2 * rows, width));
        b.store(&mut cache, &found[1], 1, 2);
        found.push(cache);
        let found: Vec<_> = found.iter().collect();
        all.extend(named(b, &format!("{width}, {layout:?}, {parts:?}:"), &found));
    }
    all
}

/// The same for several widths and layouts.
fn projections<B: Train>(b: &mut B) -> Named {
    let each = [(128, Layout::Padded), (128, Layout::Packed), (20, Layout::Padded)];
    each.into_iter().flat_map(|(width, layout)| projected(b, width, layout)).collect()
}

pub fn project_and_attend<B: Train>(b: &mut B) {
    agree(b, 3e-5, projections(&mut Cpu::new(2)), projections);
}

pub fn project_and_attend_in_bf16_as_the_cpu<B: Train>(b: &mut B) {
    agree_rounded(projections(&mut Cpu::bf16(2)), projections(b));
}

pub fn attend_in_bf16_as_the_cpu<B: Train>(b: &mut B) {
    agree_rounded(attention(&mut Cpu::bf16(2)), attention(b));
}

/// In bf16, an element that lies between two numbers may be rounded to the other one on the device: a part in 256 of it. So may
/// few of all elements.
fn agree_rounded(on_cpu: Named, on_device: Named) {
    let mut flipped = [0usize; 2];
    for ((name, want), (_, got)) in on_cpu.iter().zip(&on_device) {
        assert_eq!(got.len(), want.len(), "{name}");
        let most = want.iter().fold(1e-30f32, |most, x| most.max(x.abs()));
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let off = (got - want).abs();
            assert!(off <= most / 128.0, "{name}[{i}]: {got}, not {want} (largest {most})");
            flipped[usize::from(off > 3e-5 * most)] += 1;
        }
    }
    let [same, other] = flipped;
    println!("{other} of {} elements rounded to the other side", same + other);
    assert!(100 * other < same, "{other} of {}", same + other);
}

/// Caches of keys in the format that `linears` gives them, stored in place, shared, and reordered; and what reads keys beside
/// attention.
fn caches<B: Train>(b: &mut B) -> Named {
    let (noise, [rows, width, stride]) = (&mut Noise::new(4), [3, 18, 4]);
    let (x, _) = random(b, noise, Shape::matrix(rows, width));
    let (w, _) = random(b, noise, Shape::matrix(width, width));
    let (bias, _) = random(b, noise, Shape::vector(width));
    let [k, v] = b.linears(&x, [[&w, &bias], [&w, &bias]]);
    let mut cache = b.zeros(Shape::matrix(rows * stride, width));
    b.store(&mut cache, &k, 0, stride);
    let first = cache.clone();
    b.store(&mut cache, &v, 1, stride);
    let second = cache.clone();
    b.select(&mut cache, &[2, 0, 0], stride, 2);
    let sum = b.add(k.clone(), &v);
    named(b, "cache", &[&first, &second, &cache, &sum, &k])
}

pub fn keep_caches<B: Train>(b: &mut B, on_cpu: &mut Cpu, tolerance: f32) {
    agree(b, tolerance, caches(on_cpu), caches);
}

/// Hidden states of fewer and of more columns than a cube has units, of one matrix and of several, with padding.
fn states<B: Train>(b: &mut B) -> Named {
    let mixture = |detached| StateForm::Mixture { scale: 0.2, detached };
    let mut all = Vec::new();
    for (layout, wide) in [(Layout::Packed, 7), (Layout::Padded, 64), (Layout::Padded, 301)] {
        let sentences = [1, 40, 17, 2].map(|n| vec![5; n]);
        let sentences: Vec<&[u32]> = sentences.iter().map(Vec::as_slice).collect();
        let batch = Batch::new(b, &Special::FAIRSEQ, &sentences, &sentences, layout);
        let (noise, grid) = (&mut Noise::new(6), &batch.encoder_grid);
        let mut random = |b: &mut B, cols| random(b, noise, Shape::matrix(grid.queries, cols)).0;
        let teacher = [(); 5].map(|()| random(b, wide));
        for count in [1, 5] {
            let teacher: Vec<_> = teacher[..count].iter().collect();
            let [own, joined] = [wide, wide * count].map(|cols| random(b, cols));
            for (form, student) in [
                (StateForm::Direction, &joined),
                (StateForm::Square, &joined),
                (mixture(false), &own),
                (mixture(true), &own),
            ] {
                for pooled in [false, true] {
                    let how = StateLoss { form, pooled, weight: 0.7 };
                    let got = b.state_loss(student, &teacher, grid, how, true);
                    let what = format!("{layout:?}, {count} of width {wide}, {how:?}, result");
                    all.extend(named(b, &what, &[&got.value, &got.gradient.expect("asked")]));
                }
            }
        }
    }
    all
}

pub fn compare_states<B: Train>(b: &mut B) {
    agree(b, 3e-5, states(&mut Cpu::new(2)), states);
}

/// Relations of sentences at the edges of tiles and of cubes, with heads of any width; and of no sentence at all.
fn relations<B: Train>(b: &mut B) -> Named {
    let mut all = Vec::new();
    for (lengths, layout, heads, widths) in [
        (&[1, 31, 33][..], Layout::Packed, [2, 2], [70, 34]),
        (&[32, 65, 1], Layout::Padded, [3, 1], [33, 17]),
        (&[5, 2, 40], Layout::Padded, [2, 6], [10, 36]),
        (&[], Layout::Packed, [2, 2], [8, 8]),
    ] {
        let [sources, targets] =
            [0, 3].map(|more| lengths.iter().map(|n| vec![5; n + more]).collect::<Vec<_>>());
        let [sources, targets] =
            [&sources, &targets].map(|all| all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let batch = Batch::new(b, &Special::FAIRSEQ, &sources, &targets, layout);
        for grid in (0..3).map(|kind| batch.grid(kind)) {
            let noise = &mut Noise::new(8);
            let mut side = |rows, cols| random(b, noise, Shape::matrix(rows, cols)).0;
            let [student, teacher] =
                widths.map(|cols| [side(grid.queries, cols), side(grid.keys, cols)]);
            let [student, teacher] = [&student, &teacher].map(|sides| sides.each_ref());
            for form in [RelationForm::Divergence, RelationForm::Scores] {
                let how = RelationLoss { form, heads, weight: 0.7 };
                let got = b.relation_loss(student, teacher, grid, how, true);
                let [left, right] = got.gradients.expect("asked");
                let what = format!("{lengths:?}, {layout:?}, {how:?}, result");
                all.extend(named(b, &what, &[&got.value, &left, &right]));
            }
        }
    }
    all
}

pub fn compare_relations<B: Train>(b: &mut B) {
    agree(b, 3e-5, relations(&mut Cpu::new(2)), relations);
}

/// A vocabulary that does not fill a cube, with few rows; and more rows than one block of logits holds, on small and on
/// large devices.
fn vocabulary<B: Train>(b: &mut B) -> Named {
    let mut all = Vec::new();
    for (n, v, width) in [(3, 32_001, 5), (520, 32_769, 4), (2_100, 32_769, 2)] {
        let noise = &mut Noise::new(4);
        let (hidden, _) = random(b, noise, Shape::matrix(n, width));
        let (table, _) = random(b, noise, Shape::matrix(v, width));
        let targets: Vec<u32> =
            (0..n as u32).map(|i| if i % 7 == 6 { IGNORE } else { i * 61 % v as u32 }).collect();
        let targets = b.index(&targets);
        let teacher = TeacherRows { hidden: &hidden, table: &table, bias: None };
        let losses = b.token_loss(TokenLoss {
            bias: None,
            hidden: &hidden,
            table: &table,
            teacher: (n < 100).then_some(teacher),
            targets: &targets,
            row: TOKEN_ROWS[1],
            gradient: true,
        });
        let (hidden, table) = (losses.hidden.expect("asked"), losses.table.expect("asked"));
        all.extend(named(b, &format!("{n} x {v}, result"), &[&losses.values, &hidden, &table]));
    }
    all
}

pub fn take_any_vocabulary<B: Train>(b: &mut B) {
    agree(b, 3e-5, vocabulary(&mut Cpu::new(2)), vocabulary);
}

/// Adam steps of two models in turn, while clones of a parameter are held.
fn steps<B: Train>(b: &mut B) -> Named {
    let noise = &mut Noise::new(5);
    let shapes = [Shape::matrix(9, 7), Shape::vector(3)];
    let mut model = || {
        let params = shapes.map(|shape| random(b, noise, shape).0);
        let [m, v] = [(); 2].map(|()| shapes.map(|shape| b.zeros(shape)));
        [params, m, v]
    };
    let mut models = [model(), model()];
    let mut held = Vec::new();
    for t in 1..=3 {
        for [params, m, v] in &mut models {
            held.push(params[0].clone());
            let grads = shapes.map(|shape| random(b, noise, shape).0);
            let step = Adam { clip_norm: 0.5, ..Adam::default() }.step(t, 0.1, 1.0);
            b.adam(AdamState { params, grads: &grads, m, v }, &step);
        }
    }
    let found: Vec<_> = models.iter().flatten().flatten().chain(&held).collect();
    named(b, "tensor", &found)
}

pub fn step_several_models<B: Train>(b: &mut B) {
    agree(b, 1e-6, steps(&mut Cpu::new(2)), steps);
}

/// The gradients of a batch, in the order of parameters: weights and biases of keys, values and queries, two tables, a map, what has
/// none, and a norm. The keys' weight is used three times, the first table twice.
fn gradients<B: Train>(b: &mut B, noise: &mut Noise, params: &[B::Tensor]) -> Vec<B::Tensor> {
    let [k, v, q] = [0, 2, 4].map(|number| &params[number]);
    let (table, second, map) = (&params[6], &params[7], &params[8]);
    let [vocabulary, width, o] = [b.shape(table).rows(), b.shape(k).cols(), b.shape(k).rows()];
    let n = 40;
    let [x, dx] = [(); 2].map(|()| random(b, noise, Shape::matrix(n, width)).0);
    let dys = [(); 3].map(|()| random(b, noise, Shape::matrix(n, o)).0);
    let ids = b.index(&[3, 1, 3]);
    let positions = b.index(&[0, 1, 2]);
    let tokens = Tokens { ids, positions, rows: 3, types: None, zero_padding: true, first: 0 };
    let rows = random(b, noise, Shape::matrix(3, width)).0;
    let targets: Vec<u32> = (0..n as u32).map(|i| i * 61 % vocabulary as u32).collect();
    let targets = b.index(&targets);

    let losses = b.token_loss(TokenLoss {
        hidden: &x,
        table,
        bias: None,
        teacher: None,
        targets: &targets,
        row: TOKEN_ROWS[0],
        gradient: true,
    });
    let maps = b.linears_grad(&dys, &x, &[k, v, q], None).maps;
    let mut grads: Vec<_> = maps.into_iter().flat_map(|(w, b)| [w, b.expect("asked")]).collect();
    for (again, _) in b.linears_grad(&dys[1..], &dx, &[k, k], None).maps {
        let sum = grads.remove(0);
        grads.insert(0, b.add(sum, &again));
    }
    let kind = Positions::Fairseq;
    grads.push(b.embed_grad(&rows, &tokens, Embed::of(kind), table, losses.table));
    grads.push(b.embed_grad(&rows, &tokens, Embed::of(kind), second, None));
    grads.push(b.linear_grad(&dx, &x, map, false, None).w);
    grads.push(b.zeros(b.shape(&params[9])));
    let norm = LayerNorm { gain: &params[10], bias: &params[11], epsilon: 1e-5 };
    let norm = b.layer_norm_grad(&dx, &x, norm);
    grads.extend([norm.gain, norm.bias]);
    grads
}

/// Adam steps over the sums of two batches, while gradients of an earlier step are held.
fn updates<B: Train>(b: &mut B) -> Named {
    let noise = &mut Noise::new(10);
    let width = 7;
    let map = [Shape::matrix(9, width), Shape::vector(9)];
    let others = [[301, width], [11, width], [width, width], [1, 3]];
    let others = others.map(|[rows, cols]| Shape::matrix(rows, cols));
    let norm = [Shape::vector(width); 2];
    let shapes = [&map[..], &map, &map, &others, &norm].concat();
    let [mut params, mut m, mut v] = [1.0, 0.0, 0.0].map(|scale| {
        let tensor = |&shape: &Shape| {
            let x = random(b, noise, shape).0;
            b.scale(x, scale)
        };
        let tensors = shapes.iter().map(tensor).collect();
        b.together(tensors)
    });
    let mut held = Vec::new();
    for t in 1..=5 {
        let sums = gradients(b, noise, &params);
        let more = gradients(b, noise, &params);
        let grads: Vec<_> = sums.into_iter().zip(&more).map(|(sum, x)| b.add(sum, x)).collect();
        let step = Adam { clip_norm: 0.5, ..Adam::default() }.step(t, 0.1, 1.0);
        let state = AdamState { params: &mut params, grads: &grads, m: &mut m, v: &mut v };
        held.push(b.adam(state, &step));
        if t % 2 == 0 {
            held.extend([0, 3, 6].map(|number| grads[number].clone()));
        }
    }
    let found: Vec<_> = [&params, &m, &v, &held].into_iter().flatten().collect();
    named(b, "tensor", &found)
}

pub fn step_with_gradients_in_place<B: Train>(b: &mut B) {
    agree(b, 3e-5, updates(&mut Cpu::new(2)), updates);
}
