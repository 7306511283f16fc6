#!/usr/bin/env bash
# Trains the model in saved_models/sentiment anew: bash apps/sentiment/recipes/shipped.sh DATA OUT
# DATA holds imdb/ (train, test and unsup .tsv.xz) and sst2/ (train and dev .tsv.xz). About two hours on 2 cores.
set -euo pipefail
data=$1 out=$2
run=runs/shipped
train() { python -m apps.sentiment.train --config "$(dirname "${BASH_SOURCE[0]}")/shipped.toml" "$@"; }

python -m apps.sentiment.pretrain --texts "$data/imdb/unsup.tsv.xz" --texts "$data/imdb/train.tsv.xz" \
    --texts "$data/sst2/train.tsv.xz" --out "$run/language_model"

# Whole reviews and single sentences; then more dropped, at a lower rate.
train --data "$data/imdb@0.8" --data "$data/sst2" --pretrain "$run/language_model" --out "$run/first"
train --data "$data/imdb@0.7" --data "$data/sst2@0.7" --pretrain "$run/first" --out "$run/second" \
    --epochs 2 --learning-rate 3e-4 --average 0.995 --dropout 0.5 --embedding-dropout 0.3 --word-dropout 0.15

# Negation and contrast by the project's grammar, and the mean with what was known before.
train --data "$data/imdb@0.15" --data "$data/sst2@0.3" --data sample@4 --pretrain "$run/second" --out "$run/third" \
    --epochs 2 --learning-rate 3e-4 --average 0.99 --batch-rows 96
train --data "$data/imdb@0.35" --data "$data/sst2@0.3" --data sample --pretrain "$run/second" --pretrain "$run/third" \
    --out "$out" --epochs 1 --learning-rate 1.5e-4 --average 0.99 --batch-rows 96
