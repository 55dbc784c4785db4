# Read by the checks beside it: a run of seconds on the first images of dataset-fashion-mnist, in deterministic mode.

# cut_idx STEM IMAGES COUNT FOLDER: COUNT is IMAGES as the four bytes of an IDX file, in printf's escapes
cut_idx() {
  local from=/usr/share/datasets/fashion-mnist/$1 to=$4/$1
  # gzip minds that nobody reads on.
  {
    printf '\0\0\010\003%b\0\0\0\034\0\0\0\034' "$3"
    gzip -dc "$from-images-idx3-ubyte.gz" | tail -c +17 | head -c $(($2 * 784))
  } >"$to-images-idx3-ubyte" || true
  {
    printf '\0\0\010\001%b' "$3"
    gzip -dc "$from-labels-idx1-ubyte.gz" | tail -c +9 | head -c "$2"
  } >"$to-labels-idx1-ubyte" || true
}

# write_small_run FOLDER EPOCHS: images, and FOLDER/config.yaml, for 1, 2 or 4 ranks
write_small_run() {
  [ -e /usr/share/datasets/fashion-mnist ] || { echo "there is no dataset-fashion-mnist" >&2; exit 2; }
  cut_idx train 1024 '\0\0\04\0' "$1"
  cut_idx t10k 256 '\0\0\01\0' "$1"
  cat >"$1/config.yaml" <<EOF
model: {type: small_cnn, widths: [8, 16, 64], dropout: 0.25}
data:
  type: idx
  root: $1
  validation: 128
  batch_size: 64  # four shards of 16 images
  augment: [{type: RandomHorizontalFlip}]
optimizer: {type: SGD, lr: 0.02, momentum: 0.9}
epochs: $2
distributed: {deterministic: true}
EOF
}
