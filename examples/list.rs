fn main() {
    let path = std::env::args().nth(1).unwrap();
    let w = torch_checkpoint::load_state_dict(&path, "cpu");
    match w {
        Ok(w) => {
            println!("{}", w.len());
            for (n, t) in w.iter().take(5) {
                println!("{n} {t:?} {:?}", t.bytes().map(|b| b.len()));
            }
        }
        Err(e) => println!("{e}"),
    }
}
