# docker build -t bddseg .
# docker run --rm -v "$PWD:/work" --user "$(id -u)" bddseg infer swiftnet_lite FRAMES -o out
FROM python:3.11-slim

# Where to get PyTorch's CPU build, which is smaller: https://pytorch.org/get-started/locally/ says it.
ARG TORCH_INDEX=

WORKDIR /src
COPY constraints.txt ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
    "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY bddseg ./bddseg
COPY plugins/bddseg-lite ./plugins/bddseg-lite
COPY plugins/bddseg-realtime ./plugins/bddseg-realtime
RUN pip install --no-cache-dir --constraint constraints.txt \
    '.[openvino,video]' ./plugins/bddseg-lite ./plugins/bddseg-realtime

# Any user may write to both. Mount a volume at /cache to keep weights between runs.
RUN useradd --create-home bddseg && install -d -m 1777 /cache /work
ENV BDDSEG_HOME=/cache
USER bddseg
WORKDIR /work
ENTRYPOINT ["bddseg"]
