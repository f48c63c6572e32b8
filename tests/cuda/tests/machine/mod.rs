//! Runs the text of a kernel on memory of the test.
#![allow(dead_code)]

use cuda::machine::traffic::Traffic;
use cuda::machine::{Fault, Launch};
use cuda::ptx::module::parse;

/// A launch, by default of one block of one warp.
pub struct Run<'a> {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: usize,
    /// Declarations of the module.
    pub module: &'a str,
    /// The body of the kernel: `%rd1` is the address of the memory, `%r1` the number of the thread.
    pub body: &'a str,
}

impl<'a> Run<'a> {
    pub fn new(body: &'a str) -> Self {
        Self { grid: [1; 3], block: [32, 1, 1], shared: 0, module: "", body }
    }

    pub fn text(&self) -> String {
        format!(
            "// A test's.
            .version 9.5
            .target sm_90a
            .address_size 64
            {}
            .visible .entry test(.param .u64 test_param_0)
            .maxntid 256, 1, 1
            {{
            .reg .pred %p<16>;
            .reg .b16 %rs<32>;
            .reg .b32 %r<64>;
            .reg .f32 %f<64>;
            .reg .b64 %rd<32>;
            .reg .f64 %fd<8>;
            ld.param.u64 %rd0, [test_param_0];
            cvta.to.global.u64 %rd1, %rd0;
            mov.u32 %r1, %tid.x;
            {}
            ret;
            }}",
            self.module, self.body
        )
    }

    /// Runs on `memory`, the only allocation of the device.
    pub fn on<T>(&self, memory: &mut [T]) -> Result<(), Fault> {
        self.launch(memory, |launch| launch.run())
    }

    /// What it moves in `memory`, the only allocation of the device.
    pub fn traffic<T>(&self, memory: &mut [T]) -> Result<Traffic, Fault> {
        self.launch(memory, |launch| launch.traffic())
    }

    fn launch<T, R>(&self, memory: &mut [T], how: impl FnOnce(&Launch<'_>) -> R) -> R {
        let kernels = parse(&self.text()).unwrap_or_else(|e| panic!("{}: {}", e.line, e.why));
        let range = memory.as_mut_ptr_range();
        let (from, to) = (range.start.expose_provenance() as u64, range.end as u64);
        how(&Launch {
            kernel: &kernels[0],
            grid: self.grid,
            block: self.block,
            shared: self.shared,
            params: from.to_ne_bytes().to_vec(),
            ranges: vec![(from, to)],
        })
    }
}

/// Runs a kernel on 32 words and returns them. Word `i` holds `i`, and thread `i` has its address in `%rd2`.
pub fn each(body: &str) -> [u32; 32] {
    let mut memory = std::array::from_fn(|i| i as u32);
    let body = format!("mul.wide.u32 %rd2, %r1, 4; add.s64 %rd2, %rd1, %rd2; {body}");
    Run::new(&body).on(&mut memory).unwrap_or_else(|fault| panic!("{}", fault.what));
    memory
}
