#!/usr/bin/env bash
# Trains the model in saved_models/sentiment anew: bash apps/sentiment/recipes/shipped.sh DATA OUT
# DATA holds imdb/ (train, test and unsup .tsv.xz) and sst2/ (train and dev .tsv.xz). About three and a half hours on
# 2 cores.
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
    --out "$run/fourth" --epochs 1 --learning-rate 1.5e-4 --average 0.99 --batch-rows 96

# Everyday sentences, and again the means of several stages.
short=(--batch-rows 96 --embedding-dropout 0.3 --average 0.99)
train --data "$data/imdb@0.25" --data "$data/sst2@0.4" --data sample@0.25 --data sample:everyday@6 \
    --pretrain "$run/fourth" --out "$run/fifth" --epochs 2 --learning-rate 3e-4 "${short[@]}"
train --data "$data/imdb@0.25" --data "$data/sst2@0.8" --data sample@0.2 --data sample:everyday@5 \
    --pretrain "$run/fifth" --out "$run/sixth" --epochs 2 --learning-rate 2.5e-4 --dropout 0.5 "${short[@]}"
train --data "$data/imdb@0.2" --data "$data/sst2@0.35" --data sample@0.2 --data sample:everyday@5 \
    --pretrain "$run/second" --pretrain "$run/fifth" --pretrain "$run/sixth" --out "$run/seventh" \
    --epochs 2 --learning-rate 2.5e-4 "${short[@]}"
train --data "$data/imdb@0.1" --data "$data/sst2@0.15" --data sample@0.1 --data sample:everyday \
    --pretrain "$run/second" --pretrain "$run/fifth" --pretrain "$run/sixth" --pretrain "$run/seventh" \
    --out "$run/eighth" --epochs 1 --learning-rate 5e-5 --average 0.9 --batch-rows 96
train --data "$data/imdb@0.15" --data "$data/sst2@0.5" --data sample@0.1 --data sample:everyday@3 \
    --pretrain "$run/eighth" --out "$run/ninth" --epochs 2 --learning-rate 2e-4 --average 0.99 --batch-rows 96
train --data "$data/imdb@0.25" --data "$data/sst2@0.4" --data sample@0.1 --data sample:everyday@2 \
    --pretrain "$run/second" --pretrain "$run/eighth" --pretrain "$run/ninth" --out "$out" \
    --epochs 3 --learning-rate 3e-4 --dropout 0.5 "${short[@]}"
