#!/usr/bin/env bash
# Trains the model in saved_models/captioning anew: bash apps/captioning/recipes/shipped.sh DATA WEIGHTS OUT
# DATA is a folder such as Flickr8k's, WEIGHTS a file with those of MobileNetV2. About two hours on 2 cores. The first
# stage looked with unscaled attention, and so at a single place for each word; the second mends that. Both were planned
# longer and cut short under way, so their rates fell a little later than they do here.
set -euo pipefail
data=$1 weights=$2 out=$3
run=runs/shipped
recipes=$(dirname "${BASH_SOURCE[0]}")
train() { python -m apps.captioning.train --encoder-weights "$weights" "$@"; }

train --config "$recipes/flickr8k.toml" --data "$data" --out "$run/first" \
    --attention multiplicative --dropout 0.4 --name-words 0.2 --epochs 11
train --config "$recipes/flickr8k.toml" --data "$data" --out "$run/second" --pretrain "$run/first" \
    --name-words 0.1 --epochs 5
# From captions of its own; the third was one epoch of 30 at twice the rate, after which the captions grew worse.
train --config "$recipes/flickr8k-rewarded.toml" --data "$data@0.5" --out "$run/third" --pretrain "$run/second" \
    --epochs 1 --learning-rate 2e-4
train --config "$recipes/flickr8k-rewarded.toml" --data "$data@0.25" --out "$out" --pretrain "$run/third"
