//! Are the baselines those of scikit-learn?
