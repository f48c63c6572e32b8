//! CubeCL's client of a device, whichever runtime drives the device.

#[cfg(feature = "cuda")]
pub use cubecl::cuda::CudaRuntime;
use cubecl::prelude::ComputeClient;
#[cfg(feature = "wgpu")]
pub use cubecl::wgpu::WgpuRuntime;

/// A client of one of the runtimes that are compiled in. [`dispatch!`](crate::dispatch) makes code generic over them.
pub enum Client {
    /// CUDA.
    #[cfg(feature = "cuda")]
    Cuda(ComputeClient<CudaRuntime>),
    /// Vulkan or Metal.
    #[cfg(feature = "wgpu")]
    Wgpu(ComputeClient<WgpuRuntime>),
}

impl Client {
    /// Whether CUDA drives the device.
    pub fn is_cuda(&self) -> bool {
        match *self {
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => true,
            #[cfg(feature = "wgpu")]
            Self::Wgpu(_) => false,
        }
    }
}

/// Evaluates an expression with CubeCL's client and its runtime: `dispatch!(of, client: R => kernel::launch::<R>(client))`.
///
/// The expression is compiled once for each runtime, so it holds a launch or a call of the client and nothing else. A
/// crate that uses this has the features `cuda` and `wgpu`, as this crate has them.
#[macro_export]
macro_rules! dispatch {
    ($of:expr, $client:ident: $runtime:ident => $body:expr) => {
        match *$of {
            #[cfg(feature = "cuda")]
            $crate::Client::Cuda(ref $client) => {
                #[allow(unused)]
                type $runtime = $crate::CudaRuntime;
                $body
            }
            #[cfg(feature = "wgpu")]
            $crate::Client::Wgpu(ref $client) => {
                #[allow(unused)]
                type $runtime = $crate::WgpuRuntime;
                $body
            }
        }
    };
}
