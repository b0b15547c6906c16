"""Scores orders for anomalies: from a table with missing values, text and dates to what a team shares."""

import sys
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import ae_jax
from ae_jax.evaluation import anomaly_score
from ae_jax.trackers import MLflow

orders, out = pd.read_csv(sys.argv[1], index_col="order", parse_dates=["ordered"]), Path(sys.argv[2])

# Dates become a time of the year and a weekday, text becomes one column a category, and gaps get the median.
orders["day"], orders["weekday"] = orders["ordered"].dt.day_of_year, orders["ordered"].dt.day_name()
numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
prepare = make_column_transformer(
    (numbers, ["amount", "age", "day"]),
    (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["city", "weekday"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
table = prepare.fit_transform(orders)

data = ae_jax.data.from_arrays(table, name="orders", scaling="none")
run = ae_jax.fit(
    ae_jax.denoising(code=4), data, epochs=20, callbacks=[MLflow("orders", uri=f"sqlite:///{out / 'mlflow.db'}")]
)

score = anomaly_score(run, "mahalanobis", data.train.x).score(table)
orders.assign(score=score).sort_values("score", ascending=False).to_csv(out / "scored.csv")
run.export(out / "onnx", "onnx")
run.to_hub_folder(out / "hub", data=data, license="mit")
