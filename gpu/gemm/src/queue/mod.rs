//! Where a library launches its work on CUDA: where CubeCL launches kernels, on the device's thread, in the same order and on
//! the same stream.

mod stream;

use crate::{Client, CudaRuntime};
use a2d_device::Device;
use cubecl::device::Device as _;
use cubecl::device_handle::DeviceHandle;
use cubecl::prelude::Runtime;
use cubecl::server::{Binding, ComputeServer, Handle};
use cubecl::stream_id::StreamId;

type Server = <CudaRuntime as Runtime>::Server;

/// The queue of a device's work, for the thread that has opened it.
pub struct Queue {
    server: DeviceHandle<Server>,
    thread: StreamId,
    stream: usize,
}

impl Queue {
    /// Opens the queue of a device on which `client` has launched something.
    ///
    /// # Errors
    ///
    /// The device is none of CUDA's, or CubeCL's stream is not known.
    pub fn open(client: &Client, device: Device) -> Result<Self, String> {
        let (Client::Cuda(_), Device::Cuda(number)) = (client, device) else {
            return Err(format!("{device} is not one of CUDA's"));
        };
        let device = cubecl::cuda::CudaDevice::new(number as usize);
        let server = DeviceHandle::<Server>::new(device.to_id());
        let thread = StreamId::current();
        let stream =
            server.submit_blocking(move |server: &mut Server| stream::of(server, thread.value));
        let stream = stream.ok().flatten().ok_or("CubeCL's stream is not known")?;
        Ok(Self { server, thread, stream })
    }

    /// Whether this is the thread that has opened it.
    pub fn is_of_this_thread(&self) -> bool {
        StreamId::current() == self.thread
    }

    /// Has the device's thread call `work`, after all that was launched before.
    pub fn submit(&self, work: impl FnOnce(&mut Turn<'_>) + Send + 'static) {
        let stream = self.stream;
        self.server.submit(move |server| work(&mut Turn { server, stream }));
    }

    /// [`Queue::submit`], and what `work` returns; none where the device's thread has ended.
    pub fn wait_for<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Turn<'_>) -> R + Send + 'static,
    ) -> Option<R> {
        let stream = self.stream;
        let work = move |server: &mut Server| work(&mut Turn { server, stream });
        self.server.submit_blocking(work).ok()
    }
}

/// Device memory that waits for its turn.
pub struct Waiting(Binding);

impl From<&Handle> for Waiting {
    fn from(handle: &Handle) -> Self {
        Self(handle.clone().binding())
    }
}

/// The device's thread, with the device as the current one, while it calls some work.
pub struct Turn<'a> {
    server: &'a mut Server,
    stream: usize,
}

impl Turn<'_> {
    /// The stream to launch on: a `CUstream`.
    pub fn stream(&self) -> usize {
        self.stream
    }

    /// The address of device memory.
    ///
    /// # Errors
    ///
    /// CubeCL has none for it.
    pub fn address(&mut self, Waiting(memory): Waiting) -> Result<u64, String> {
        let found = self.server.get_resource(memory, StreamId::current());
        found.map(|found| found.resource().ptr).map_err(|e| format!("{e:?}"))
    }
}
