"""A peer of bench/nets.cpp: a network of export_nets.py in ONNX Runtime, OpenVINO or ncnn, in f32.

Usage: nets.py onnxruntime|openvino|ncnn FOLDER BATCH SIDE THREADS, FOLDER the network's, SIDE its images'. A step is a
call; `scores INPUT OUTPUT` runs it on the images in INPUT and writes the scores to OUTPUT, both raw f32.
"""
import sys

import numpy as np
import peer

kind, folder = sys.argv[1], sys.argv[2]
batch, side, threads = (int(argument) for argument in sys.argv[3:])
x = np.zeros((batch, 3, side, side), np.float32)


def onnxruntime():
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(f"{folder}/net.onnx", options, providers=["CPUExecutionProvider"])
    return f"ONNX Runtime {ort.__version__}", lambda: session.run(None, {"x": x})[0]


def openvino():
    import openvino as ov
    core = ov.Core()
    net = core.read_model(f"{folder}/net.onnx")
    net.reshape(list(x.shape))
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(net, "CPU", config).create_infer_request()
    return f"OpenVINO {ov.__version__.split('-')[0]}", lambda: request.infer({0: x}, share_inputs=True)[0]


def ncnn():
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
    net.load_param(f"{folder}/net.ncnn.param")
    net.load_model(f"{folder}/net.ncnn.bin")

    def run():
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(x[0]))
        return np.array(extractor.extract("out0")[1])

    return f"ncnn {ncnn.__version__}", run


name, run = {"onnxruntime": onnxruntime, "openvino": openvino, "ncnn": ncnn}[kind]()


def scores(source, target):
    x[:] = np.fromfile(source, np.float32).reshape(x.shape)
    np.ascontiguousarray(run(), np.float32).tofile(target)


peer.serve(name, lambda: peer.timed(run), scores=scores)
