"""A stand-in for ``tensorflow_model_server`` 2.6 that really infers, run as a process of its own.

Flags, life cycle, REST answers and exit statuses are TF Serving's (tf-serving.md 1, 4, 5, 11); inference is
ai-edge-litert's, or TensorFlow's where it is installed. gRPC is not spoken: its port is held, connections end at
once. It shares nothing with the rest of yarnserve.
"""
