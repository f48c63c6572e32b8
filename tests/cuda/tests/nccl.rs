//! The stand-in for NCCL, between threads of one process: sums, and what it refuses. One test, for misuse loses the device.

mod device;

use cuda::nccl::*;
use device::{STREAM, SUCCESS, UNUSED, memory, read};

#[allow(non_snake_case)]
unsafe extern "C" {
    fn cuCtxSetCurrent(context: usize) -> i32;
}

const LOST: i32 = 1;
const INVALID_ARGUMENT: i32 = 4;
const INVALID_USAGE: i32 = 5;

/// `ncclFloat32` and `ncclSum`.
const FLOAT: i32 = 7;
const SUM: i32 = 0;

fn id() -> Id {
    let mut id = Id([0; 128]);
    // SAFETY: there is room for an id.
    assert_eq!(unsafe { ncclGetUniqueId(&raw mut id) }, SUCCESS);
    id
}

/// Joins on a device: the code and the handle.
fn join(id: Id, size: i32, number: i32, device: usize) -> (i32, usize) {
    let mut handle = 0;
    // SAFETY: there is room for a handle; contexts are devices' numbers from 1.
    let code = unsafe {
        assert_eq!(cuCtxSetCurrent(device + 1), SUCCESS);
        ncclCommInitRank(&raw mut handle, size, id, number)
    };
    (code, handle)
}

fn sum(at: u64, count: usize, kind: i32, handle: usize, stream: usize) -> i32 {
    // SAFETY: the stand-in checks what is passed.
    unsafe { ncclAllReduce(at, at, count, kind, SUM, handle, stream) }
}

/// What each of several threads returns, by number.
fn threads<R: Send>(count: i32, work: impl Fn(i32) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let all: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn processes_sum_what_they_have() {
    let group = id();
    let sums = threads(3, |number| {
        let (code, handle) = join(group, 3, number, number as usize);
        assert_eq!(code, SUCCESS);
        let at = memory([number as f32, 1.0, -1.0, 0.5]);
        assert_eq!([(); 2].map(|()| sum(at, 3, FLOAT, handle, STREAM)), [SUCCESS; 2]);
        let mut failed = -1;
        // SAFETY: there is room for a code.
        assert_eq!(unsafe { ncclCommGetAsyncError(handle, &raw mut failed) }, SUCCESS);
        // SAFETY: the handle is alive, and used no more.
        assert_eq!((failed, unsafe { ncclCommDestroy(handle) }), (SUCCESS, SUCCESS));
        read(at)
    });
    assert_eq!(sums, [[9.0, 9.0, -9.0, 0.5]; 3]);

    let group = id();
    let codes = threads(2, |number| join(group, 2, number, 0).0);
    assert_eq!(codes, [INVALID_USAGE; 2], "two processes on one device");

    let at = memory([0.0; 4]);
    let (code, handle) = join(id(), 1, 0, 0);
    assert_eq!((code, sum(at, 4, FLOAT, handle, STREAM)), (SUCCESS, SUCCESS));
    assert_eq!(sum(at, 4, FLOAT, handle, UNUSED), INVALID_ARGUMENT);
    assert_eq!(sum(at, 4, FLOAT, handle, STREAM), LOST, "misuse loses the device");
}
