//! What changes weights.

use burn::backend::flex::FlexTensor;
use kernels::adamw::{self, Adamw};

use super::floats;

/// The tensor with memory of its own size, so that its numbers are all that is stored; others who hold it keep theirs.
pub(super) fn own(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    let is_all = tensor.layout().start_offset() == 0 && tensor.bytes().len() == size_of_val(floats(&tensor));
    if is_all { tensor } else { FlexTensor::from_data(tensor.into_data()) }
}

pub(super) fn step_by_adamw(
    [weight, gradient, m, v]: [FlexTensor; 4],
    settings: Adamw,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let gradient = gradient.to_contiguous();
    let [mut weight, mut m, mut v] = [weight, m, v].map(own);
    let (w, m_floats, v_floats) = (weight.storage_mut(), m.storage_mut(), v.storage_mut());
    adamw::step(w, floats(&gradient), m_floats, v_floats, settings);
    (weight, m, v)
}
