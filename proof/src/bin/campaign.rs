//! A campaign; see `lock_proof::campaign`.

fn main() -> std::process::ExitCode {
    lock_proof::campaign::main()
}
