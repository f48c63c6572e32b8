//! Runs the conformance suite on every backend.

#[path = "backends/bf16.rs"]
mod bf16;
#[path = "micro/device.rs"]
mod device;
mod suite;

/// Runs `body` with a constructor of CPU backends.
macro_rules! on_cpu {
    ($make:ident => $body:expr) => {{
        let $make = || a2d_host::backend::cpu::Cpu::new(2);
        $body
    }};
}

suite!(cpu, on_cpu);

/// Runs `body` with a constructor of backends that compute with `Micro`.
macro_rules! on_micro {
    ($make:ident => $body:expr) => {{
        let $make = || crate::device::Arena::new();
        $body
    }};
}

suite!(
    micro,
    on_micro,
    [
        moves_data,
        holds_tensors,
        embeds,
        maps_linearly,
        activates,
        activates_linear_maps,
        adds,
        normalises,
        maps_one_input,
        joins_maps,
        attends,
        attends_to_nothing,
        stores_and_selects,
        projects,
        picks_the_best
    ]
);

/// Runs `body` with a constructor of `Timed` around the CPU backend.
macro_rules! on_timed {
    ($make:ident => $body:expr) => {{
        let $make = || {
            let inner = Box::leak(Box::new(a2d_host::backend::cpu::Cpu::new(2)));
            a2d_host::bench::Timed::new(inner, Default::default())
        };
        $body
    }};
}

suite!(timed, on_timed);

/// Results are bit-identical for any number of threads.
mod threads {
    use super::suite;
    use a2d_core::backend::*;
    use a2d_core::batch::{Batch, Layout};
    use a2d_core::config::{Activation, Positions, Special};
    use a2d_core::optim::Adam;
    use a2d_core::shape::Shape;
    use a2d_host::backend::cpu::Cpu;

    const V: usize = 300;
    const D: usize = 72;
    const HEADS: usize = 4;

    /// Runs most operations in sequence; returns the bits of all their results.
    fn work(b: &mut Cpu) -> Vec<u32> {
        let noise = &mut suite::Noise::new(23);
        let mut sentence =
            |_| (0..1 + noise.below(30)).map(|_| 4 + noise.below(V - 4) as u32).collect();
        let sentences: Vec<Vec<u32>> = (0..60).map(&mut sentence).collect();
        let sentences: Vec<&[u32]> = sentences.iter().map(Vec::as_slice).collect();
        let batch = Batch::new(b, &Special::FAIRSEQ, &sentences, &sentences, Layout::Packed);
        let grid = &batch.decoder_grid;
        let how = Attend { heads: HEADS, map: true, dropout: 0.1, key: Some(3) };
        let mut random =
            |b: &mut Cpu, rows, cols| suite::random(b, noise, Shape::matrix(rows, cols)).0;
        let table = random(b, V, D);
        let w = random(b, D, D);
        let gain = suite::random(b, &mut suite::Noise::new(24), Shape::vector(D)).0;

        let embed = Embed { dropout: 0.1, key: Some(4), ..Embed::of(Positions::Fairseq) };
        let x = b.embed(&table, &batch.shifted, embed);
        let y = b.linear(&x, &w, Some(&gain));
        let y = b.activate(y, Activation::Relu);
        let y = b.layer_norm(&y, suite::norm(&gain));
        let y = b.mask(y, 0.1, 9);
        let kv = Kv { k: y.clone(), v: x.clone() };
        let Attended { context, map } = b.attend(&y, kv.as_ref(), grid, how);
        let map = map.expect("a map");
        let mix = random(b, 6, HEADS);
        let bias = suite::random(b, &mut suite::Noise::new(25), Shape::vector(6)).0;
        let aligned =
            b.align(std::slice::from_ref(&map), &mix, &bias, grid, MapInput::Probabilities);
        let teacher = [random(b, 6, grid.area)];
        let form = MapLoss {
            normalisation: Normalisation::Map,
            target: Target::Softmax,
            masked: true,
            weight: 0.5,
        };
        let loss = b.map_loss(&aligned, &teacher, grid, form, true);
        let mixed = b.align_grad(
            &loss.gradient.expect("asked"),
            std::slice::from_ref(&map),
            &mix,
            grid,
            MapInput::Probabilities,
        );
        let tokens = b.token_loss(TokenLoss {
            hidden: &context,
            table: &table,
            bias: None,
            teacher: Some(TeacherRows { hidden: &x, table: &table, bias: None }),
            targets: &batch.targets,
            row: suite::TOKEN_ROWS[1],
            gradient: true,
        });
        let dcontext = tokens.hidden.expect("asked");
        let saved = SavedAttend { q: y.clone(), kv, map: Some(map.clone()) };
        let [dq, dk, dv] = b.attend_grad(Some(&dcontext), Some(&mixed.maps[0]), &saved, grid, how);
        let norm = b.layer_norm_grad(&dq, &y, suite::norm(&gain));
        let line = b.linear_grad(&dk, &x, &w, true, None);
        let dtable = b.embed_grad(&dv, &batch.shifted, embed, &table, tokens.table);
        let mut params = [table, w];
        let mut m = params.each_ref().map(|p| b.zeros(b.shape(p)));
        let mut v = params.each_ref().map(|p| b.zeros(b.shape(p)));
        let grads = [dtable, line.w];
        let state = AdamState { params: &mut params, grads: &grads, m: &mut m, v: &mut v };
        let step = Adam { clip_norm: 1.0, ..Adam::default() }.step(5, 0.01, 0.1);
        let length = b.adam(state, &step);
        let [table, w] = params;
        let all = [
            x,
            context,
            map,
            loss.value,
            tokens.values,
            dcontext,
            norm.x,
            norm.gain,
            norm.bias,
            line.x,
            mixed.w,
            mixed.b,
            table,
            w,
            length,
        ];
        let bits = |x| suite::values(b, x).into_iter().map(f32::to_bits).collect::<Vec<u32>>();
        all.iter().flat_map(bits).collect()
    }

    #[test]
    fn compute_the_same_bits() {
        let [single, short] = [Cpu::new, Cpu::bf16].map(|make| {
            let alone = work(&mut make(1));
            for threads in [2, 3, 7] {
                let mut b = make(threads);
                assert_eq!(b.threads(), threads);
                assert!(work(&mut b) == alone, "{threads} threads");
            }
            alone
        });
        assert!(single != short);
    }

    #[test]
    fn a_warm_step_takes_no_new_memory() {
        let mut b = Cpu::new(1);
        work(&mut b);
        let (held, peak) = b.memory();
        work(&mut b);
        assert_eq!(b.memory(), (held, peak));
        b.trim();
        assert_eq!(b.memory().0, 0);
    }

    #[test]
    fn threads_do_not_pile_up_memory() {
        for mut b in [Cpu::new(2), Cpu::bf16(2)] {
            work(&mut b);
            let (held, _) = b.memory();
            for _ in 0..10 {
                work(&mut b);
            }
            // The number of buffers in use at once depends on timing, but is at most one per thread.
            assert!(b.memory().0 <= 2 * held, "{} after {held}", b.memory().0);
            b.trim();
            assert_eq!(b.memory().0, 0);
        }
    }
}
