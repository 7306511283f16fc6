#!/usr/bin/env bash
# Trains the model in saved_models/captioning anew: bash apps/captioning/recipes/shipped.sh DATA WEIGHTS OUT
# DATA is a folder such as Flickr8k's, WEIGHTS a file with those of MobileNetV2. About two hours and a half on 2 cores.
set -euo pipefail
data=$1 weights=$2 out=$3
run=runs/shipped
recipes=$(dirname "${BASH_SOURCE[0]}")
train() { python -m apps.captioning.train --config "$recipes/$1.toml" "${@:2}"; }

train flickr8k --data "$data" --encoder-weights "$weights" --out "$run/first"
train flickr8k-tuned --data "$data" --encoder-weights "$weights" --pretrain "$run/first" --out "$run/tuned"
train flickr8k-parts --data "$data" --encoder-of "$run/tuned" --out "$run/parts"
train flickr8k-rewarded --data "$data@0.25" --pretrain "$run/parts" --out "$out"
