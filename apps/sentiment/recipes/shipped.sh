#!/usr/bin/env bash
# Trains the model in saved_models/sentiment anew: bash apps/sentiment/recipes/shipped.sh DATA OUT
# DATA holds imdb/ (train, test and unsup .tsv.xz) and sst2/ (train and dev .tsv.xz). About two hours on 2 cores.
set -euo pipefail
data=$1 out=$2
recipes=$(dirname "${BASH_SOURCE[0]}")
run=runs/shipped

python -m apps.sentiment.pretrain --texts "$data/imdb/unsup.tsv.xz" --texts "$data/imdb/train.tsv.xz" \
    --texts "$data/sst2/train.tsv.xz" --out "$run/language_model"
python -m apps.sentiment.train --config "$recipes/shipped.toml" --data "$data/imdb@0.8" --data "$data/sst2" \
    --pretrain "$run/language_model" --out "$run/first"
python -m apps.sentiment.train --config "$recipes/shipped_2.toml" --data "$data/imdb@0.7" --data "$data/sst2@0.7" \
    --pretrain "$run/first" --out "$run/second"
python -m apps.sentiment.train --config "$recipes/shipped_3.toml" --data "$data/imdb@0.15" --data "$data/sst2@0.3" \
    --data sample@4 --pretrain "$run/second" --out "$run/third"
python -m apps.sentiment.train --config "$recipes/shipped_4.toml" --data "$data/imdb@0.35" --data "$data/sst2@0.3" \
    --data sample --pretrain "$run/second" --pretrain "$run/third" --out "$out"
