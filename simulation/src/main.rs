//! Simulations; see `lock_simulation`.

fn main() -> std::process::ExitCode {
    lock_simulation::main()
}
