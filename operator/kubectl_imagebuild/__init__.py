"""The kubectl plugin `kubectl imagebuild`: it speaks to the cluster by kubectl alone."""
