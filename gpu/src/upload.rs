//! Uploads during a computation.
//!
//! All of a device's work is in the order of one stream: an upload is queued like a kernel, and nothing waits for it. But
//! CUDA's driver may wait for the stream before it copies from memory that is not pinned, and CubeCL's `create` has no
//! other. So bytes are put into pinned memory here, which CubeCL keeps until the device has read it.

use a2d_device::Device;
use a2d_gemm::{Client, dispatch};
use cubecl::bytes::Bytes;
use cubecl::server::Handle;

/// Memory of CubeCL's own with these bytes, on a device that `client` has opened.
pub(crate) fn upload(client: &Client, device: Device, bytes: Bytes) -> Handle {
    match (client, device) {
        #[cfg(feature = "cuda")]
        (Client::Cuda(client), Device::Cuda(number)) => pinned::upload(client, number, bytes),
        _ => dispatch!(client, client: R => client.create(bytes)),
    }
}

#[cfg(feature = "cuda")]
mod pinned {
    use a2d_gemm::CudaRuntime;
    use cubecl::bytes::Bytes;
    use cubecl::device::Device;
    use cubecl::device_handle::DeviceHandle;
    use cubecl::prelude::*;
    use cubecl::server::{ComputeServer, Handle};
    use cubecl::stream_id::StreamId;

    type Server = <CudaRuntime as Runtime>::Server;

    pub fn upload(client: &ComputeClient<CudaRuntime>, number: u32, bytes: Bytes) -> Handle {
        let len = bytes.len();
        let handle = client.empty(len);
        let to = handle.clone().copy_descriptor([len].into(), [1].into(), 1);
        let device = cubecl::cuda::CudaDevice::new(number as usize);
        DeviceHandle::<Server>::new(device.to_id()).submit(move |server| {
            let stream = StreamId::current();
            let pinned = pinned(server, bytes, stream);
            server.write(vec![(to, pinned)], stream);
        });
        handle
    }

    /// The bytes in pinned memory, if there is any.
    fn pinned(server: &mut Server, bytes: Bytes, stream: StreamId) -> Bytes {
        let staging = server.staging(&[bytes.len()], stream);
        let Some(mut pinned) = staging.ok().and_then(|mut all| all.pop()) else { return bytes };
        bytes.copy_into(&mut pinned);
        pinned
    }
}
