//! The calls of the stand-in for cuBLASLt: a product, and what they refuse. One test, for the first refusal loses the device.

mod device;

use cuda::lt::*;
use device::{STREAM, SUCCESS, UNUSED, memory, read};

const INVALID: i32 = 7;
const EXECUTION_FAILED: i32 = 13;

/// No handle.
const DEAD: usize = 1;

fn created(create: impl FnOnce(*mut usize) -> i32) -> usize {
    let mut id = 0;
    assert_eq!(create(&raw mut id), SUCCESS);
    id
}

/// Handles, and the parts of a product of 2 by 2.
#[derive(Clone, Copy)]
struct Call {
    library: usize,
    of: usize,
    layout: usize,
    preference: usize,
    asked: i32,
}

impl Call {
    /// The code for an algorithm, and the algorithm.
    fn find(self) -> (i32, [u64; 12]) {
        let Self { library, of, layout, preference, asked } = self;
        let (mut found, mut count) = ([0u64; 12], 0);
        // SAFETY: there is room for one algorithm, 96 bytes, and for the count.
        let code = unsafe {
            cublasLtMatmulAlgoGetHeuristic(
                library,
                of,
                layout,
                layout,
                layout,
                layout,
                preference,
                asked,
                found.as_mut_ptr().cast(),
                &raw mut count,
            )
        };
        assert_eq!(count, i32::from(code == SUCCESS));
        (code, found)
    }

    fn launch(self, [a, b, out]: [u64; 3], algorithm: &[u64; 12], stream: usize) -> i32 {
        let Self { library, of, layout, .. } = self;
        let [alpha, beta] = [1.0f32, 0.0];
        // SAFETY: the factors and the algorithm are alive; the stand-in checks the rest.
        unsafe {
            cublasLtMatmul(
                library,
                of,
                &raw const alpha,
                a,
                layout,
                b,
                layout,
                &raw const beta,
                out,
                layout,
                out,
                layout,
                algorithm.as_ptr().cast(),
                0,
                0,
                stream,
            )
        }
    }
}

#[test]
fn calls_are_checked() {
    // SAFETY, here and below: all pointers are valid for what is passed.
    let call = unsafe {
        Call {
            library: created(|to| cublasLtCreate(to)),
            of: created(|to| cublasLtMatmulDescCreate(to, product::COMPUTE_32F, product::R_32F)),
            layout: created(|to| cublasLtMatrixLayoutCreate(to, product::R_32F, 2, 2, 2)),
            preference: created(|to| cublasLtMatmulPreferenceCreate(to)),
            asked: 1,
        }
    };
    let memory = [[1.0, 2.0, 3.0, 4.0], [2.0, 0.0, 0.0, 2.0], [f32::NAN; 4]].map(memory);
    let (code, algorithm) = call.find();
    assert_eq!(code, SUCCESS);
    assert_eq!(call.launch(memory, &algorithm, STREAM), SUCCESS);
    assert_eq!(read(memory[2]), [2.0, 4.0, 6.0, 8.0]);

    assert_eq!(call.launch(memory, &algorithm, UNUSED), INVALID);
    assert_eq!(call.launch(memory, &algorithm, STREAM), EXECUTION_FAILED, "the device is lost");

    let refused = [
        Call { library: DEAD, ..call },
        Call { of: DEAD, ..call },
        Call { layout: DEAD, ..call },
        Call { preference: DEAD, ..call },
        Call { asked: 0, ..call },
    ];
    assert_eq!(refused.map(|call| call.find().0), [INVALID; 5]);

    let value = [0u64];
    let value = value.as_ptr().cast();
    for (attribute, bytes) in [(3, 8), (99, 4)] {
        let codes = unsafe {
            [
                cublasLtMatmulDescSetAttribute(call.of, attribute, value, bytes),
                cublasLtMatrixLayoutSetAttribute(call.layout, attribute, value, bytes),
                cublasLtMatmulPreferenceSetAttribute(call.preference, attribute, value, bytes),
            ]
        };
        assert_eq!(codes, [INVALID; 3], "attribute {attribute} of {bytes} bytes");
    }
    let destroy = |id| unsafe { cublasLtMatrixLayoutDestroy(id) };
    assert_eq!([call.layout, call.layout, DEAD].map(destroy), [SUCCESS, INVALID, INVALID]);
}
