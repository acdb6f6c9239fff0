//! Where does the program start?

mod args;
mod child;
mod commands;
mod console;
#[cfg(feature = "tui")]
mod dashboard;
mod failure;
mod report;

use std::process::ExitCode;

use clap::Parser;

/// Fresh pages are what training on the processor spends most of its time on outside of arithmetic; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    prepare_memory();
    prepare_environment();
    let cli = args::Cli::parse();
    match commands::run(cli.command, cli.json) {
        Ok(status) => status.into(),
        Err(failure) => {
            report::failure(&failure, cli.json);
            failure.exit_code().into()
        }
    }
}

/// Lets memory come in large pages, where the system has some: tensors are large, and what training does not spend on arithmetic it spends on
/// fresh pages and on finding out where they lie.
fn prepare_memory() {
    // SAFETY: this is the first statement of `main`; no other thread exists that could set an option meanwhile.
    #[expect(unsafe_code, reason = "the allocator has no other way to be told")]
    unsafe {
        libmimalloc_sys::mi_option_set_enabled(libmimalloc_sys::mi_option_large_os_pages, true);
    }
}

/// Library code asks burn for a default device behind our back; without this it would be a graphics card that may not exist.
/// And on a machine without a desktop, a layer that Mesa puts around every Vulkan driver complains on stderr that there is
/// none; it is only there to sort the adapters by the desktop's wish.
fn prepare_environment() {
    let is_set = |name| std::env::var_os(name).is_some();
    let without_desktop = !is_set("XDG_RUNTIME_DIR") && !is_set("MESA_VK_DEVICE_SELECT");
    // SAFETY: this is the first statement of `main`; no other thread exists that could read the environment meanwhile.
    #[expect(unsafe_code, reason = "burn and Mesa read these variables and offer no other way to choose")]
    unsafe {
        std::env::set_var("BURN_DEVICE", "flex");
        if without_desktop {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}
