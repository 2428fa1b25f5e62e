"""Starts the ROS 2 node."""

import sys
from typing import Any

from bddseg.errors import INTERRUPTED, BddsegError
from bddseg.inference.threads import limit_spinning
from bddseg_ros2.help import format_help
from bddseg_ros2.parameters import PARAMETERS, read_parameters


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is shut down; return the exit code.

    Args:
        arguments: Words of the command line; by default those of this process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & {*arguments}:
        sys.stdout.write(format_help())
        return 0
    # Before torch is imported.
    limit_spinning()
    try:
        _run(arguments)
    except BddsegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _run(arguments: list[str]) -> None:
    try:
        import rclpy
        from rclpy.executors import ExternalShutdownException
    except ImportError as error:
        raise BddsegError(
            f"ROS 2 cannot be imported ({error}).",
            "Source its setup file first, such as /opt/ros/jazzy/setup.bash, and use Python's "
            "version of that ROS.",
        ) from error
    try:
        _check_arguments(rclpy.utilities.remove_ros_args(arguments))
        rclpy.init(args=arguments)
    # The class of these errors is not public.
    except RuntimeError as error:
        raise BddsegError(
            f"ROS cannot read its arguments: {error}.",
            "Each parameter is -p NAME:=VALUE; in a list, all numbers or none have a point.",
        ) from error
    try:
        _spin()
    except ExternalShutdownException:
        pass
    finally:
        rclpy.try_shutdown()


def _check_arguments(others: list[str]) -> None:
    """Refuse words that are not for ROS: it ignores them."""
    if others:
        raise BddsegError(
            f"The node has no argument '{others[0]}'.",
            "Parameters come after --ros-args, each after -p: --ros-args -p model:=swiftnet_lite",
        )


def _spin() -> None:
    import rclpy

    ros = rclpy.create_node("bddseg", automatically_declare_parameters_from_overrides=True)
    values = _declare_parameters(ros)
    from bddseg_ros2.segmentation import SegmentationNode

    node = SegmentationNode(ros, values)
    try:
        rclpy.spin_until_future_complete(ros, node.failure)
        if node.failure.done():
            node.failure.result()
    finally:
        node.close()


def _declare_parameters(ros: Any) -> dict[str, Any]:
    """Return the value of each parameter, and declare it as what cannot be changed later."""
    from rcl_interfaces.msg import ParameterDescriptor

    given = ros.get_parameters_by_prefix("")
    values = read_parameters({name: parameter.value for name, parameter in given.items()})
    for name, value in values.items():
        # It was declared because it was given.
        if ros.has_parameter(name):
            ros.undeclare_parameter(name)
        text = ParameterDescriptor(description=PARAMETERS[name].text, read_only=True)
        ros.declare_parameter(name, value, text, ignore_override=True)
    return values
