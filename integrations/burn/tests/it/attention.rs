//! What `unpack_attention` changes, and what it leaves alone.

use torch_checkpoint::{Tensor, load_state_dict};
use torch_checkpoint_burn::unpack_attention;

use crate::fixtures;

/// Tensors of the network's attention under other names.
fn unpacked(names: &[(&str, &str)]) -> Vec<(String, Tensor)> {
    let weights = load_state_dict(fixtures().join("integrations/burn/network_cuda.pt"), "cpu").unwrap();
    unpack_attention(names.iter().map(|(name, was)| ((*name).to_owned(), weights[was].clone()))).unwrap()
}

fn names(tensors: &[(String, Tensor)]) -> Vec<&str> {
    tensors.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn projections_are_the_thirds_of_the_packed_one_in_order() {
    let weights = load_state_dict(fixtures().join("integrations/burn/network_cuda.pt"), "cpu").unwrap();
    let packed: Vec<f32> = weights["attention.in_proj_weight"].to_vec().unwrap();
    let tensors = unpack_attention(weights).unwrap();
    let mut parts = Vec::new();
    for projection in ["query", "key", "value"] {
        let name = format!("attention.{projection}.weight");
        let (_, part) = tensors.iter().find(|(other, _)| *other == name).unwrap();
        parts.extend(part.to_vec::<f32>().unwrap());
    }
    assert_eq!(parts, packed);
}

#[test]
fn an_attention_may_be_the_root_or_deep() {
    let root =
        unpacked(&[("in_proj_weight", "attention.in_proj_weight"), ("out_proj.bias", "attention.out_proj.bias")]);
    assert_eq!(names(&root), ["query.weight", "key.weight", "value.weight", "output.bias"]);
    let deep = unpacked(&[
        ("layers.0.self_attn.out_proj.weight", "attention.out_proj.weight"),
        ("layers.0.self_attn.in_proj_bias", "attention.in_proj_bias"),
        ("layers.0.self_attn.in_proj_weight", "attention.in_proj_weight"),
    ]);
    let own = |name: &str| name.starts_with("layers.0.self_attn.");
    assert!(names(&deep).iter().all(|name| own(name)) && deep.len() == 7);
    assert_eq!(names(&deep)[..2], ["layers.0.self_attn.output.weight", "layers.0.self_attn.query.bias"]);
}

/// Others call a linear layer so too.
#[test]
fn an_out_proj_without_packed_projections_keeps_its_name() {
    let kept = ["mixer.out_proj.weight", "mixer.in_proj.weight", "in_proj_other", "attention.my_out_proj.weight"];
    let others = kept.map(|name| (name, "attention.out_proj.weight"));
    assert_eq!(names(&unpacked(&others)), kept);
    // In the same module as packed projections, but not all of a name.
    let mut with = others.to_vec();
    with.push(("attention.in_proj_weight", "attention.in_proj_weight"));
    assert_eq!(names(&unpacked(&with))[..4], kept);
}

#[test]
fn a_longer_name_is_another_name() {
    let other =
        [("a.my_in_proj_weight", "attention.in_proj_weight"), ("a.my_out_proj.bias", "attention.out_proj.bias")];
    assert_eq!(names(&unpacked(&other)), other.map(|(name, _)| name));
}

/// 16 rows are no three projections.
#[test]
fn what_has_no_three_parts_stays() {
    assert_eq!(names(&unpacked(&[("in_proj_weight", "norm.weight")])), ["in_proj_weight"]);
}
