# Images of the cluster itself, made of one static binary each, because there may be no image registry to reach.

system_images() { # prints the archives
  image_of pause "$PAUSE"
  image_of coredns "$COREDNS"
}

image_of() { # name binary
  local archive=$2.oci.tar folder
  if [ ! -s "$archive" ]; then
    folder=$(mktemp -d)
    install -m 755 -D "$2" "$folder/root/$1"
    tar --owner=0 --group=0 -C "$folder/root" -cf "$folder/layer.tar" "$1"
    bash "$REPOSITORY/scripts/image/one-layer.sh" "$folder/image.tar" "localhost/$1:1" "$folder/layer.tar" \
      "{\"Entrypoint\": [\"/$1\"], \"User\": \"65535:65535\"}"
    mv "$folder/image.tar" "$archive" # whole or not at all
    rm -rf "$folder"
  fi
  echo "$archive"
}

load_image() { # archive of an OCI or docker image
  inside ctr -a "$CONTAINERD" -n k8s.io images import "$(realpath "$1")" >/dev/null
}
