# SPDX-License-Identifier: Apache-2.0
# Include folders that CMake would refuse. On an apt installation, built outside of the sources, neither finds anything.

# The targets of ROS packages that were installed by pip name include folders of the machine that built the wheels, and
# CMake refuses folders that do not exist. Drops such folders from the imported targets of this directory; their own
# headers stay reachable, because the other folders of each target stay.
function(drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory ${directories})
      if(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND kept "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

# With a virtual environment inside of the checkout, rosidl gives a target the include folder of that numpy, and CMake
# refuses to export a target with a folder inside of the sources. Keeps such folders for the build, not for the export.
function(keep_source_include_directories_private)
  get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory ${directories})
      string(FIND "${directory}" "${CMAKE_CURRENT_SOURCE_DIR}/" position)
      if(position EQUAL 0)
        set(directory "$<BUILD_INTERFACE:${directory}>")
      endif()
      list(APPEND kept "${directory}")
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()
