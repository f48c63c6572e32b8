//! What every kernel needs of a device: its client, its memory, and the precision of products. Code that is generic over
//! CubeCL's runtimes is launched from here alone.

use crate::pool::{Piece, Pool};
use crate::upload::upload;
use a2d_device::Device;
use a2d_gemm::{Client, Product, Products, dispatch};
use cubecl::backtrace::BackTrace;
use cubecl::bytes::Bytes;
use cubecl::future::block_on;
use cubecl::server::{Handle, ServerError};
use std::sync::Arc;

/// Launches a kernel on the runtime of a context: `launch!(context, kernel(cubes, units, arguments…))`.
macro_rules! launch {
    ($context:expr, $kernel:ident $(::<$float:ty>)? ($($argument:expr),* $(,)?)) => {
        a2d_gemm::dispatch!($context.client(), client: LaunchRuntime => {
            $kernel::launch::<$($float,)? LaunchRuntime>(client, $($argument),*)
        })
    };
}
pub(crate) use launch;

/// A device in use.
pub(crate) struct Context {
    client: Client,
    device: Device,
    products: Products,
    pool: Pool,
    /// Whether kernels also write their results rounded, as products take them: see `rounded`.
    pub rounds: bool,
}

impl Context {
    pub fn new(client: Client, device: Device, rounds: bool) -> Self {
        // The client outlives contexts, and keeps the memory of those before.
        dispatch!(&client, client: R => client.memory_cleanup());
        let products = Products::open(&client, device);
        Self { client, device, products, pool: Pool::default(), rounds }
    }

    /// What computes matrix products.
    pub fn products(&self) -> &Products {
        &self.products
    }

    /// The client that kernels are launched with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Uninitialised memory for `bytes`, at least for one element.
    pub fn allocate(&self, bytes: usize) -> Arc<Piece> {
        self.pool.allocate(bytes, |bytes| self.slab(bytes))
    }

    /// Memory of exactly `bytes`, outside CubeCL's pools.
    fn slab(&self, bytes: usize) -> Handle {
        let slab = dispatch!(&self.client, client: R => {
            client.memory_persistent_allocation((), |()| client.empty(bytes))
        });
        slab.unwrap_or_else(|why| panic!("{bytes} bytes of device memory: {why:?}"))
    }

    /// Memory of CubeCL's own with these bytes.
    pub fn upload(&self, bytes: Bytes) -> Handle {
        upload(&self.client, self.device, bytes)
    }

    /// [`Self::upload`] of floats.
    pub fn upload_floats(&self, data: &[f32]) -> Handle {
        use cubecl::prelude::CubeElement;
        dispatch!(&self.client, client: R => client.create_from_slice(f32::as_bytes(data)))
    }

    /// The bytes behind `handles`, after everything launched before, with one synchronisation.
    ///
    /// # Errors
    ///
    /// A launch or the transfer failed.
    pub fn read(&self, handles: Vec<Handle>) -> Result<Vec<Bytes>, ServerError> {
        let bytes = dispatch!(&self.client, client: R => {
            let bytes = block_on(client.read_async(handles))?;
            // Failed launches are reported by this call only.
            client.flush()?;
            Ok::<_, ServerError>(bytes)
        })?;
        self.launched().map(|()| bytes)
    }

    /// Waits for everything that was launched.
    ///
    /// # Errors
    ///
    /// A launch failed.
    pub fn wait(&self) -> Result<(), ServerError> {
        dispatch!(&self.client, client: R => block_on(client.sync()))?;
        self.launched()
    }

    /// Whether every product of a library was launched, of those before the last synchronisation.
    fn launched(&self) -> Result<(), ServerError> {
        let Some(why) = self.products.failure() else { return Ok(()) };
        Err(ServerError::Generic { reason: why.to_owned(), backtrace: BackTrace::capture() })
    }

    /// Bytes that are reserved on the device, where CubeCL reports them.
    pub fn reserved(&self) -> Option<u64> {
        dispatch!(&self.client, client: R => client.memory_usage().ok().map(|usage| usage.bytes_reserved))
    }

    /// Bytes of the largest buffer.
    pub fn max_buffer(&self) -> u64 {
        dispatch!(&self.client, client: R => client.properties().memory.max_page_size)
    }

    /// Bytes of shared memory that a cube may have.
    pub fn max_shared(&self) -> usize {
        dispatch!(&self.client, client: R => client.properties().hardware.max_shared_memory_size)
    }

    /// Launches a matrix product.
    ///
    /// # Errors
    ///
    /// No kernel of this device computes it.
    pub fn multiply(&self, product: &Product<'_>) -> Result<(), String> {
        self.products.launch(&self.client, product)
    }
}
